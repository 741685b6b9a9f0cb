"""Bytes that training a model will hold, by part: counted for a dense GPT, measured on a few rows for any other family.

A step has three high tides, and the peak is the highest of them (weights and moments are always there):

    end of the forward pass   activations + the head's logits + its gradient
    end of the backward pass  all gradients + the working space of one layer
    the optimiser's step      all gradients + its own working space
"""

from __future__ import annotations

from idiolect.config import Config
from idiolect.data.config import AutoObjective
from idiolect.models.config import GPTConfig
from idiolect.optim.config import OptimConfig
from idiolect.plan import memory_gpt, memory_measured

# Python with torch loaded and one step run, before any tensor of ours: measured as resident set, torch 2.13 CPU.
PROCESS_BYTES = {"cpu": 330_000_000, "cuda": 0}
# glibc's heap keeps freed tensors below 32 MB and reuses them badly: resident peak over live peak was 1.23 to 1.69
# (n = 7 shapes, mean 1.42, torch 2.13, process apart); with MALLOC_MMAP_THRESHOLD_=131072 it falls to about 1.
HEAP_SPREAD = 1.42


def training_memory(
    config: Config,
    vocabulary_size: int,
    batch_tokens: int,
    optim: OptimConfig | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    objective: Config | None = None,
) -> dict[str, int]:
    """Bytes by part, the `peak` of what is alive at once, and the `resident` set that the allocator makes of it.

    `batch_tokens` are those of a micro-batch. On a GPU the driver's own context is not counted.
    """
    optim = optim or OptimConfig()
    if isinstance(config, GPTConfig) and not config.n_experts:
        parts = memory_gpt.parts_of(config, vocabulary_size, batch_tokens, optim, device, dtype)
    else:
        asked = objective or AutoObjective()
        parts = memory_measured.parts_of(config, vocabulary_size, batch_tokens, optim, dtype, asked)
    process = PROCESS_BYTES.get(device, PROCESS_BYTES["cpu"])
    head_gradient = 4 * vocabulary_size * getattr(config, "d_model", 0)
    forward = parts["activations"] + parts["logits"] + head_gradient + parts["cast"]
    backward = parts["gradients"] + parts["workspace"]
    peak = parts["weights"] + parts["moments"] + process + max(forward, backward)
    spread = HEAP_SPREAD if device == "cpu" else 1.0
    return parts | {"process": process, "peak": peak, "resident": round(process + spread * (peak - process))}
