"""What several families reckon alike: widths that follow from others, and counts."""

from collections.abc import Callable

from idiolect.config import Config


def usual_d_ff(d_model: int, gated: bool) -> int:
    """4 x d_model; gated MLPs have three matrices for two, so 8/3 x d_model, rounded up to whole vectors of 32."""
    return -(-(8 * d_model) // (3 * 32)) * 32 if gated else 4 * d_model


def windows_of(pattern: str, window: int, n_layers: int) -> tuple[int, ...]:
    """Per layer: `window` where the pattern, repeated, has an S, and 0 (all positions) where it has an L."""
    return tuple(window if pattern[layer % len(pattern)] == "S" else 0 for layer in range(n_layers))


def norm_numbers(config: Config, width: int) -> int:
    """Learned numbers of a norm over `width` channels: a scale, and a shift where layer norm has one."""
    if config.norm == "none" or not config.norm_scale:
        return 0
    return width * (2 if config.norm == "layer" and config.bias else 1)


def flops_of_halves(of_sample: Callable[[int, int], dict[str, int]], context_length: int) -> dict[str, int]:
    """Operations per token of a window, by part, of which one half is the source and the other the target."""
    n_source = max(1, context_length // 2)
    whole = of_sample(n_source, max(1, context_length - n_source))
    return {part: operations // context_length for part, operations in whole.items()}
