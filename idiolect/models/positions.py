"""Where a token stands: added to the embedding (learned, sinusoidal), or turned into queries and keys (rotary)."""

import torch
from torch import Tensor, nn

from idiolect.errors import RecipeError
from idiolect.models.config import GPTConfig
from idiolect.models.layers import Embedding


class NoPositions(nn.Module):
    """Adds nothing: rotary models, or none at all."""

    def forward(self, x_BTD: Tensor, positions_BT: Tensor) -> Tensor:
        return x_BTD


class LearnedPositions(Embedding):
    """A learned vector per position (GPT-2)."""

    def forward(self, x_BTD: Tensor, positions_BT: Tensor) -> Tensor:
        return x_BTD + super().forward(positions_BT)


class SinusoidalPositions(nn.Module):
    """Sines, then cosines, of wavelengths from 2 pi to 10,000 x 2 pi positions (arXiv 1706.03762, section 3.5)."""

    def __init__(self, d_model: int):
        super().__init__()
        half = d_model // 2
        self.register_buffer("rates", 10_000.0 ** (-torch.arange(half) / half), persistent=False)

    def forward(self, x_BTD: Tensor, positions_BT: Tensor) -> Tensor:
        angles = positions_BT[..., None] * self.rates
        return x_BTD + torch.cat((angles.sin(), angles.cos()), dim=-1).to(x_BTD.dtype)


class NoTable(nn.Module):
    """No angles to look up."""

    def forward(self, positions_BT: Tensor) -> None:
        return None


class RotaryTable(nn.Module):
    """Cosines and sines of every position's angles, computed once, in the layout `rotate` wants (arXiv 2104.09864)."""

    def __init__(self, context_length: int, d_head: int, theta: float):
        super().__init__()
        half = d_head // 2
        rates = theta ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(context_length, dtype=torch.float64)[:, None] * rates
        cos, sin = angles.cos().float(), angles.sin().float()
        self.register_buffer("cos_TK", torch.cat((cos, cos), dim=-1), persistent=False)
        self.register_buffer("sin_TK", torch.cat((-sin, sin), dim=-1), persistent=False)

    def forward(self, positions_BT: Tensor) -> tuple[Tensor, Tensor]:
        # The axis of size 1 is for heads: (B or 1, T, 1, K).
        return self.cos_TK[positions_BT][:, :, None], self.sin_TK[positions_BT][:, :, None]


class _Rotate(torch.autograd.Function):
    """x * cos + (x's halves swapped) * sin, halves paired as Llama in Hugging Face's layout does.

    Turning back is turning by the opposite angle, so nothing but the table is kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, x_BTHK: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x_BTHK, cos, sin, 1.0)

    @staticmethod
    def backward(ctx, gradient_BTHK: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(gradient_BTHK, cos, sin, -1.0), None, None


def _turn(x_BTHK: Tensor, cos: Tensor, sin: Tensor, direction: float) -> Tensor:
    swapped = x_BTHK.roll(x_BTHK.shape[-1] // 2, dims=-1)
    return (x_BTHK * cos).addcmul_(swapped, sin, value=direction)


class Rotate(nn.Module):
    """Turn queries or keys by their positions' angles."""

    def forward(self, x_BTHK: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
        cos, sin = table
        return _Rotate.apply(x_BTHK, cos.to(x_BTHK.dtype), sin.to(x_BTHK.dtype))


class LeaveAsIs(nn.Module):
    """Queries and keys know nothing of positions."""

    def forward(self, x_BTHK: Tensor, table: None) -> Tensor:
        return x_BTHK


def build_positions(config: GPTConfig) -> nn.Module:
    """What is added to the embeddings."""
    if config.positions == "learned":
        return LearnedPositions(config.context_length, config.d_model)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.d_model)
    return NoPositions()


def build_table(config: GPTConfig) -> nn.Module:
    """What every layer's attention looks up."""
    if config.positions == "rotary":
        return RotaryTable(config.context_length, config.resolved_d_head, config.rope_theta)
    return NoTable()


def build_rotation(config: GPTConfig) -> nn.Module:
    """What attention does to queries and keys."""
    return Rotate() if config.positions == "rotary" else LeaveAsIs()


def check_length(n_positions: int, context_length: int) -> None:
    """Raises RecipeError when more positions are asked for than the model reads."""
    if n_positions > context_length:
        raise RecipeError(
            f"{n_positions} tokens don't fit in model.context_length = {context_length}",
            why="positions beyond it were never trained: a learned table has no such row, a rotation no such angle",
            fix=f"--model.context_length={n_positions} before training, or give the model the last {context_length}",
        )
