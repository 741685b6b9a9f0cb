"""Operations of training for each token that is read, under an objective: one count for plans, metrics and records."""

from __future__ import annotations

from idiolect.config import Config
from idiolect.data.objectives import Objective


def operations_per_token(config: Config, objective: Objective, vocabulary_size: int) -> dict[str, int]:
    """Operations by part, `forward` and `training`, for each token that a training step reads, sources included.

    The head is counted for the targets that count (`scored_share`): it is not asked for others on a CPU, and what a GPU
    computes for them nobody needs.
    """
    if config.reads == "source":
        n_source, n_target = objective.source_length, objective.target_length
        whole = config.count_sample_flops(vocabulary_size, n_source, n_target)
        parts = {part: operations // (n_source + n_target) for part, operations in whole.items()}
    else:
        parts = config.count_flops(vocabulary_size, config.context_length)
        parts["head"] = round(parts.get("head", 0) * objective.scored_share)
    forward = sum(parts.values())
    return parts | {"forward": forward, "training": 3 * forward}
