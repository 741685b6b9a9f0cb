"""Optimisers: gradients become updates.

Start at `build.py`. `groups.py` says which parameter is of which group (and that norms, biases and embeddings are never
decayed); `schedules.py` how the learning rate moves; `muon.py`, `lion.py` and `rows.py` are the rules PyTorch lacks or
that are too slow there.
"""

from idiolect.optim.config import OptimConfig, advice
from idiolect.optim.schedules import factor

__all__ = ["OptimConfig", "advice", "factor"]
