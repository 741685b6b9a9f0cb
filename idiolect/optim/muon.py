"""Muon: momentum, made orthogonal, for hidden matrices (Jordan 2024, kellerjordan.github.io/posts/muon).

Matrices of one shape are orthogonalised together, and matrices fused for speed (queries, keys and values) apart. The
work is done in bfloat16 on a GPU and in float32 on a CPU.
"""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

# The quintic's coefficients, chosen for the steepest slope at zero; singular values end in 0.7..1.2, which is enough.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(x_NRC: Tensor, n_steps: int, epsilon: float = 1e-7) -> Tensor:
    """The nearest matrices with singular values near 1, a batch at a time: Newton-Schulz, R <= C."""
    # Never larger than the true spectral norm's bound: the iteration diverges above 1.
    x_NRC = x_NRC / x_NRC.norm(dim=(-2, -1), keepdim=True).clamp(min=epsilon)
    rows, columns = x_NRC.shape[-2:]
    # Counted in products of R x R x R: the plain way takes 4 C/R + 2 a step, through the Gram matrix 8 a step and
    # 4 C/R once; at C = 4 R that is 50 instead of 90.
    if rows and n_steps * (2 + 4 * columns / rows) > 8 * n_steps + 4 * columns / rows - 6:
        return _by_gram(x_NRC, n_steps)
    for _ in range(n_steps):
        gram_NRR = x_NRC @ x_NRC.mT
        update_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=_B, alpha=_C)
        x_NRC = torch.baddbmm(x_NRC, update_NRR, x_NRC, beta=_A)
    return x_NRC


def _by_gram(x_NRC: Tensor, n_steps: int) -> Tensor:
    """The same iteration carried out on x x^T, which is small, and applied to x once.

    Each step multiplies x by P = a + b G + c G^2 from the left, hence G by P twice; all of them commute.
    """
    gram_NRR = x_NRC @ x_NRC.mT
    product_NRR = None
    for step in range(n_steps):
        factor_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=_B, alpha=_C)
        factor_NRR.diagonal(dim1=-2, dim2=-1).add_(_A)
        product_NRR = factor_NRR if product_NRR is None else factor_NRR @ product_NRR
        if step < n_steps - 1:
            gram_NRR = factor_NRR @ (factor_NRR @ gram_NRR)
    return product_NRR @ x_NRC


def scale_of(rows: int, columns: int, scale: str) -> float:
    """Factor on an orthogonal update: by shape (Jordan 2024), or as large as AdamW's (arXiv 2502.16982, equation 4)."""
    return math.sqrt(max(1.0, rows / columns)) if scale == "spectral" else 0.2 * math.sqrt(max(rows, columns))


class Muon(Optimizer):
    """Muon for matrices; each group's `rows` lists, for each parameter, the rows of the matrices fused in it."""

    def __init__(self, groups: list[dict], momentum: float, nesterov: bool, n_steps: int, scale: str):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0, "rows": None})
        self.momentum, self.nesterov, self.n_steps, self.scale = momentum, nesterov, n_steps, scale

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            pairs = zip(group["params"], group["rows"], strict=True)
            present = [(parameter, rows) for parameter, rows in pairs if parameter.grad is not None]
            if present:
                self._step_group(*map(list, zip(*present, strict=True)), group["lr"], group["weight_decay"])

    def _step_group(self, parameters: list[Tensor], rows: list[tuple], rate: float, decay: float) -> None:
        gradients = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - self.momentum)
        directions = torch._foreach_lerp(gradients, momenta, self.momentum) if self.nesterov else momenta
        if decay:
            torch._foreach_mul_(parameters, 1 - rate * decay)
        self._apply(parameters, directions, rows, rate)

    def _apply(self, parameters: list[Tensor], directions: list[Tensor], rows: list[tuple], rate: float) -> None:
        """Orthogonalise all parts of one shape together, lying on their longer side, and add them."""
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for parameter, direction, sizes in zip(parameters, directions, rows, strict=True):
            for target, part in zip(parameter.flatten(1).split(sizes), direction.flatten(1).split(sizes), strict=True):
                if part.shape[0] > part.shape[1]:
                    key = (part.shape[1], part.shape[0])
                    by_shape.setdefault(key, []).append((target, part.mT))
                else:
                    by_shape.setdefault(tuple(part.shape), []).append((target, part))
        for members in by_shape.values():
            stacked_NRC = torch.stack([part for _, part in members])
            work_type = torch.bfloat16 if stacked_NRC.is_cuda else torch.float32
            results = orthogonalise(stacked_NRC.to(work_type), self.n_steps).to(stacked_NRC.dtype)
            for (target, _), update in zip(members, results, strict=True):
                update = update if update.shape == target.shape else update.mT
                target.add_(update, alpha=-rate * scale_of(*target.shape, self.scale))
