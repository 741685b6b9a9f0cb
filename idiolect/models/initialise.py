"""How parameters start: a table from parameter name to distribution, drawn from a private generator.

Rows are tried from the top and the first whose pattern fits wins. Sources:
  GPT-2 (Radford et al. 2019, section 2.3): normal(0, 0.02); the last projection of each branch / sqrt(2 x layers).
  Zero projections: every branch starts as the identity (arXiv 1901.09321, 2203.03466).
  Value embeddings: equal parts of both, small tables (modded-nanogpt).
  Uniform with standard deviation 1 / sqrt(columns): a layer keeps its input's size (LeCun et al. 1998, section 4.6).
"""

import math
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from idiolect.models.config import GPTConfig

Row = tuple[str, str, float]  # pattern of the parameter's name, distribution, its number


def gpt_table(config: GPTConfig) -> list[Row]:
    """Where each parameter of a GPT starts."""
    std, last = config.init_std, 1 / math.sqrt(2 * config.n_layers)
    matrix = ("fan_in", 1.0) if config.matrix_init == "fan_in" else ("normal", std)
    projection = ("zeros", 0.0) if config.zero_init_projections else (matrix[0], matrix[1] * last)
    return [
        ("*.bias", "zeros", 0.0),
        ("*norm*.weight", "ones", 1.0),
        ("embed.weight", "normal", config.embedding_std or std),
        ("unembed.weight", "zeros" if config.zero_init_head else "normal", std),
        ("*.attention.out.weight", *projection),
        ("*.mlp.down.weight", *projection),
        ("*.mlp.shared.down.weight", *projection),
        # Small, as Switch has it (arXiv 2101.03961, 2.4), and as Mixtral: at the start all experts are nearly equal.
        ("*.mlp.router.weight", "normal", std),
        ("*.attention.qkv.weight", *matrix),
        ("*.mlp.*up.weight", *matrix),
        ("*.values.mix", "constant", 0.5),
        ("*.values.table.weight", "normal", std),
        # Added to the token's own embedding, or to its logits, they start at nothing: an n-gram never seen then says
        # nothing.
        ("ngrams.tables.*.weight", "zeros", 0.0),
        ("to_logits.tables.*.weight", "zeros", 0.0),
        ("positions.weight", "normal", std),
    ]


def initialise(model: nn.Module, table: list[Row], seed: int) -> None:
    """Fill every parameter in place, in the order of its name; the global random state is neither read nor moved.

    Each parameter draws from a generator of its own name and seed, so adding a layer changes no other layer's start.
    Raises KeyError when the table has no row for a parameter: a parameter left unfilled would be garbage.
    """
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            distribution, number = _row_for(name, table)
            _FILL[distribution](parameter, number, _generator(name, seed))


def _row_for(name: str, table: list[Row]) -> tuple[str, float]:
    for pattern, distribution, number in table:
        if fnmatchcase(name, pattern):
            return distribution, number
    raise KeyError(f"no row of the initialisation table fits {name}")


def _generator(name: str, seed: int) -> torch.Generator:
    # A stable hash (FNV-1a, 64 bit): Python's own changes with every process.
    value = 0xCBF29CE484222325
    for byte in f"{seed}/{name}".encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return torch.Generator().manual_seed(value % 2**63)


def _normal(parameter: Tensor, std: float, generator: torch.Generator) -> None:
    # Drawn on the CPU in float32 whatever the device and type, so that a model starts the same everywhere.
    parameter.copy_(torch.randn(parameter.shape, generator=generator).mul_(std))


def _uniform(parameter: Tensor, bound: float, generator: torch.Generator) -> None:
    parameter.copy_(torch.rand(parameter.shape, generator=generator).mul_(2 * bound).sub_(bound))


def _fan_in(parameter: Tensor, std: float, generator: torch.Generator) -> None:
    # A uniform distribution on +-b has the standard deviation b / sqrt(3).
    _uniform(parameter, std * math.sqrt(3 / parameter.shape[1]), generator)


def _orthogonal(parameter: Tensor, gain: float, generator: torch.Generator) -> None:
    # Square blocks one above the other, each drawn for itself: uniform over rotations once R's diagonal is positive.
    size = parameter.shape[1]
    for block in parameter.split(size):
        q, r = torch.linalg.qr(torch.randn(size, size, generator=generator))
        block.copy_(q.mul_(r.diagonal().sign()).mul_(gain))


def _identity(parameter: Tensor, gain: float, generator: torch.Generator) -> None:
    parameter.copy_(gain * torch.eye(parameter.shape[1]).repeat(parameter.shape[0] // parameter.shape[1], 1))


def _second_quarter(parameter: Tensor, number: float, generator: torch.Generator) -> None:
    # The forget gate's, of the four gates of an LSTM.
    parameter.zero_().chunk(4)[1].fill_(number)


_FILL = {
    "zeros": lambda parameter, number, generator: parameter.zero_(),
    "ones": lambda parameter, number, generator: parameter.fill_(1.0),
    "constant": lambda parameter, number, generator: parameter.fill_(number),
    "normal": _normal,
    "uniform": _uniform,
    "fan_in": _fan_in,
    "orthogonal": _orthogonal,
    "identity": _identity,
    "second_quarter": _second_quarter,
}
