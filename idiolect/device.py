"""Where the arithmetic happens: one Device value, decided when a verb starts and passed along.

Nothing is decided at import, and torch is loaded only when a function here needs it: reading a recipe, with its
`DeviceConfig`, must stay instant. The peak that MFU is measured against is a known figure on a GPU we know, a
matrix multiplication timed in this process on a CPU, and unknown (`-`) otherwise: never a guess.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from idiolect.config import Config, field
from idiolect.errors import RecipeError

if TYPE_CHECKING:
    import torch

# Dense peaks in FLOP/s from the makers' data sheets, without sparsity: name part -> {dtype: peak}.
GPU_PEAKS = {
    "B200": {"bfloat16": 2.25e15, "float32": 75e12},
    "H200": {"bfloat16": 989e12, "float32": 67e12},
    "H100 PCIe": {"bfloat16": 756e12, "float32": 51e12},
    "H100": {"bfloat16": 989e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "float32": 19.5e12},
    "L40S": {"bfloat16": 362e12, "float32": 91.6e12},
    "L4": {"bfloat16": 121e12, "float32": 30.3e12},
    "RTX 4090": {"bfloat16": 165e12, "float32": 82.6e12},
    "RTX 3090": {"bfloat16": 71e12, "float32": 35.6e12},
}


class DeviceConfig(Config):
    """Where to compute and in which precision."""

    kind: Literal["auto", "cpu", "cuda", "mps"] = field("auto", "auto takes a GPU when there is one")
    dtype: Literal["auto", "fastest", "float32", "bfloat16"] = field(
        "auto", "auto: bfloat16 on a GPU that has it, float32 on a CPU; fastest: bfloat16 on a CPU that has it, too"
    )
    threads: int = field(0, "CPU threads; 0 = one a physical core this process may use", ge=0, le=1024)
    deterministic: bool = field(True, "the same numbers every time; on a GPU this costs speed")
    compile: bool = field(False, "compile the model (torch.compile): a minute at the start, faster steps on a GPU")


@dataclass(frozen=True)
class Device:
    """A place to compute: what torch calls it, the precision of the arithmetic, the peak FLOP/s if known."""

    torch: torch.device
    dtype: torch.dtype
    deterministic: bool
    name: str
    compile: bool = False

    def autocast(self) -> contextlib.AbstractContextManager:
        """Run matrix multiplications in `dtype`; a no-op in float32."""
        import torch

        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.torch.type, dtype=self.dtype)

    def for_scores(self) -> Device:
        """The device on which scores are made: a CPU scores in float32 whatever it trains in, for the last digits."""
        import torch

        return replace(self, dtype=torch.float32) if self.torch.type == "cpu" else self

    def memory_bytes(self) -> int:
        """Most memory held so far: the GPU's allocator peak, or this process's peak resident set."""
        if self.torch.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self.torch)
        return peak_resident_bytes()

    def synchronise(self) -> None:
        """Wait for queued work, so that a clock read next is true."""
        import torch

        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)
        elif self.torch.type == "mps":
            torch.mps.synchronize()


def resolve_device(config: DeviceConfig) -> Device:
    """The device a config asks for. Raises RecipeError when this machine has no such device or precision."""
    import torch

    from idiolect.distributed import local_rank

    kind = config.kind
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[kind]:
        raise RecipeError(
            f"device.kind = {kind} is not on this machine",
            why="torch sees no such device here",
            fix="--device.kind=cpu, or --device.kind=auto",
        )
    place = torch.device(kind, local_rank()) if kind == "cuda" else torch.device(kind)
    wanted = config.dtype
    if wanted in ("auto", "fastest"):
        has_bf16 = torch.cuda.is_bf16_supported() if kind == "cuda" else wanted == "fastest" and cpu_has_bfloat16(kind)
        wanted = "bfloat16" if has_bf16 else "float32"
    dtype = getattr(torch, wanted)
    name = torch.cuda.get_device_name(place) if kind == "cuda" else kind
    return Device(place, dtype, config.deterministic, name, config.compile)


def peak_resident_bytes() -> int:
    """Most memory this process has had resident.

    getrusage would count the parent as well: what was resident when it started us survives the start of our program.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak_memory(device: Device) -> int:
    """Let `memory_bytes` begin anew, so that it tells what comes next; returns what is held now.

    What Python and glibc only keep for later is given back first. Where the kernel doesn't let a process forget its
    peak (elsewhere than on Linux), the peak stays that of the whole process.
    """
    gc.collect()
    if device.torch.type == "cuda":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device.torch)
        return torch.cuda.memory_allocated(device.torch)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set to what is resident now
    return psutil.Process().memory_info().rss


def cpu_has_bfloat16(kind: str) -> bool:
    """Whether this CPU multiplies bfloat16 matrices itself; where it must emulate them they are slower than float32."""
    import torch

    return kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def prepare_process(config: DeviceConfig, device: Device) -> None:
    """Set what torch keeps per process: threads, denormals, determinism. Called once, by the verb that computes."""
    import torch

    if device.torch.type == "cpu":
        torch.set_num_threads(config.threads or physical_cores())
        # Optimiser moments decay into denormal numbers, which many CPUs handle in microcode, far slower than others.
        # On the AMD EPYC we measured it made no difference (docs/performance.md), and flushing costs nothing.
        torch.set_flush_denormal(True)
        keep_freed_memory()
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # The mode also fills every new tensor with NaN, to expose reads of memory never written: a cost at each
        # allocation for a check that our tests make anyway.
        torch.utils.deterministic.fill_uninitialized_memory = False
    elif device.torch.type == "cuda":
        torch.set_float32_matmul_precision("high")


def keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next step, instead of handing it back and faulting it in again.

    M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of mallopt(3); elsewhere than on glibc nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 64 << 20)):
            mallopt(parameter, value)


def physical_cores() -> int:
    """Physical cores this process may use: a second hyper-thread of a core adds nothing to matrix products."""
    has_affinity = hasattr(psutil.Process, "cpu_affinity")
    allowed = len(psutil.Process().cpu_affinity()) if has_affinity else psutil.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def free_memory(device: Device) -> float:
    """Bytes a plan may count on."""
    if device.torch.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device.torch)[0]
    return psutil.virtual_memory().available


def peak_flops(device: Device) -> float | None:
    """FLOP/s this device can reach: from the table for a known GPU, timed on a CPU, else None."""
    if device.torch.type == "cuda":
        known = next((peaks for part, peaks in GPU_PEAKS.items() if part in device.name), {})
        return known.get(str(device.dtype).removeprefix("torch."))
    return measure_peak_flops(device.dtype) if device.torch.type == "cpu" else None


@functools.cache
def measure_peak_flops(dtype: torch.dtype | None = None, size: int = 384, seconds: float = 0.2) -> float:
    """Best rate of one thread's product of this size and precision, times the threads; timed once a process.

    Beside other work, threads wait for one another, and a product of milliseconds is interrupted: at two threads a busy
    machine gave 3 to 26 GFLOP/s of its 200, at one thread 88 to 96 with size 1,024 and 103 to 105 with 384.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator).to(dtype or torch.float32) for _ in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        out = a @ b
        best, end = float("inf"), time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.mm(a, b, out=out)
            best = min(best, time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return threads * 2 * size**3 / best
