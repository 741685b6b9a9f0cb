"""A loss or gradient that is not finite stops the run before it touches a weight, and leaves the evidence behind.

The evidence is a folder `nonfinite-step-000123/`: the batch as the step saw it, and a JSON that names the samples, the
tensors that went wrong, and the last good checkpoint. The same batch from the same checkpoint shows it again.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from idiolect import distributed
from idiolect.errors import NumericsError
from idiolect.rundir import new_folder

MOST_NAMES = 8


def refuse(
    *,
    step: int,
    sum_nats: float,
    grad_norm: float,
    model: nn.Module,
    batch: Any,
    first_sample: int,
    n_samples: int,
    folder: Path | None,
    last_checkpoint: Path | None,
) -> None:
    """Write the offending batch below `folder` and raise NumericsError. `step` is the update that was not made."""
    bad = non_finite(model)
    evidence = ""
    if folder is not None:
        suffix = f"-rank{distributed.rank()}" if distributed.world_size() > 1 else ""
        where = Path(folder) / f"nonfinite-step-{step:06d}{suffix}"
        facts = {
            "step": step,
            "first_sample": first_sample,
            "n_samples": n_samples,
            "sum_nats": _plain(sum_nats),
            "grad_norm": _plain(grad_norm),
            "not_finite": bad,
            "last_checkpoint": last_checkpoint.name if last_checkpoint else None,
        }
        with new_folder(where) as temporary:
            save_file(tensors_of(batch), temporary / "batch.safetensors")
            (temporary / "batch.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        evidence = f"; the batch is in {where}"
    what = "loss" if not math.isfinite(sum_nats) else "gradient"
    names = [name for kind in ("weights", "gradients") for name in bad[kind]]
    first = f", first in {names[0]}" if names else ""
    raise NumericsError(
        f"the {what} of step {step} is not finite (samples {first_sample} to {first_sample + n_samples - 1}{first})",
        why=f"no weight was changed; the last good checkpoint is "
        f"{last_checkpoint.name if last_checkpoint else 'none yet'}{evidence}",
        fix="a lower learning rate, a longer warm-up, or a smaller --optim.clip_norm; then the same command again",
    )


def non_finite(model: nn.Module) -> dict[str, list[str]]:
    """Names of the parameters whose weights or gradients hold a value that is not finite, the first few of each."""
    found: dict[str, list[str]] = {"weights": [], "gradients": []}
    for name, p in model.named_parameters():
        for kind, tensor in (("weights", p), ("gradients", p.grad)):
            if tensor is not None and len(found[kind]) < MOST_NAMES and not is_finite(tensor):
                found[kind].append(name)
    return found


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is; of a row-sparse gradient, every number of its rows."""
    return bool(torch.isfinite(tensor.coalesce().values() if tensor.is_sparse else tensor).all())


def tensors_of(batch: Any) -> dict[str, Tensor]:
    """A batch's tensors by field name, ready for safetensors."""
    fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    return {name: value.detach().cpu().contiguous().clone() for name, value in fields.items() if torch.is_tensor(value)}


def _plain(value: float) -> float | str:
    # JSON has no NaN.
    return value if math.isfinite(value) else str(value)
