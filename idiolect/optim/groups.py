"""Which parameter is of which group: by the module that owns it, so that any family and any wrapper is understood.

matrices     hidden matrices: the only group that is decayed unless asked otherwise, and the one Muon takes
embeddings   rows looked up by id (a tied head included)        norms    scales and shifts of norms
tables       embeddings with sparse gradients (hashed n-grams)  biases   added vectors
head         the matrix that makes logits, when untied          scalars  numbers, vectors, matrices of one row
head_tables  tables whose rows are added to the logits
"""

from dataclasses import dataclass

from torch import nn

GROUPS = ("matrices", "embeddings", "tables", "head", "head_tables", "norms", "biases", "scalars")
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class Group:
    """Parameters that share a rule: their names, themselves, their peak rate and their decay."""

    name: str
    parameters: dict[str, nn.Parameter]
    learning_rate: float
    weight_decay: float


def assign_groups(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """Every parameter that wants a gradient, by group and by name; a parameter shared by two modules counts once.

    A module may name its head's parameters in `head_names`, relative to itself.
    """
    heads = {
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in model.named_modules()
        for name in getattr(module, "head_names", ())
    }
    found: dict[str, dict[str, nn.Parameter]] = {name: {} for name in GROUPS}
    seen: set[nn.Parameter] = set()
    for prefix, module in model.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                name = f"{prefix}.{leaf}".lstrip(".")
                found[_group_of(module, leaf, parameter, name in heads)][name] = parameter
    return found


def _group_of(module: nn.Module, leaf: str, parameter: nn.Parameter, at_head: bool) -> str:
    sparse = isinstance(module, nn.Embedding) and module.sparse
    if at_head:
        return "head_tables" if sparse else "head"
    if isinstance(module, nn.Embedding):
        return "tables" if sparse else "embeddings"
    if isinstance(module, _NORMS):
        return "norms"
    if leaf.startswith("bias"):  # nn.LSTM's are called bias_ih_l0
        return "biases"
    return "scalars" if parameter.ndim < 2 or 1 in parameter.shape else "matrices"


def fused_rows(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Matrices that hold several one above the other, by name, with the rows of each; modules tell by `fused_rows`."""
    return {
        f"{prefix}.{name}".lstrip("."): rows
        for prefix, module in model.named_modules()
        for name, rows in getattr(module, "fused_rows", {}).items()
    }
