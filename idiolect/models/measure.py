"""Parameters and floating-point operations, counted from the config alone; tests hold them against the module.

One multiplication and one addition are two operations. Attention scores are counted over every position a query may
be compared with by the kernel, the masked half included, as is the custom for utilisation (arXiv 2204.02311,
appendix B); norms, activations and look-ups are left out, together a few per cent. Each family's config counts itself.
"""

import psutil

from idiolect.config import Config
from idiolect.errors import ResourceError
from idiolect.progress import show_bytes


def parameters(config: Config, vocabulary_size: int) -> dict[str, int]:
    """Learned numbers by part, and their `total`."""
    parts = config.count_parameters(vocabulary_size)
    return parts | {"total": sum(parts.values())}


def active_parameters(config: Config, vocabulary_size: int) -> int:
    """Learned numbers that one token meets: all of them, but for a mixture of experts."""
    count = getattr(config, "count_active_parameters", config.count_parameters)
    return sum(count(vocabulary_size).values())


def check_memory(config: Config, vocabulary_size: int) -> None:
    """Raises ResourceError when the weights alone are more than this machine's memory, before any is allocated."""
    parts = parameters(config, vocabulary_size)
    needed, there = 4 * parts.pop("total"), psutil.virtual_memory().total
    if needed > there:
        largest = max(parts, key=parts.__getitem__)
        raise ResourceError(
            f"a model of {needed // 4:,} parameters does not fit this machine",
            why=f"its weights take {show_bytes(needed)} of float32 ({largest} {show_bytes(4 * parts[largest])}), and "
            f"the machine has {show_bytes(there)}",
            fix="a smaller --model.d_model, --model.n_layers or --tokenizer.vocabulary_size; idiolect plan finds a fit",
        )


def flops_per_token(config: Config, vocabulary_size: int, context_length: int = 0) -> dict[str, int]:
    """Operations per token by part at a context length (0 = the model's), `forward`, and `training` = 3 forwards."""
    parts = config.count_flops(vocabulary_size, context_length or config.context_length)
    forward = sum(parts.values())
    # The backward pass computes two products, by inputs and by weights, for each of the forward's.
    return parts | {"forward": forward, "training": 3 * forward}
