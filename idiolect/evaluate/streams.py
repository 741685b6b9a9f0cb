"""Scores of a model that carries its state: a few long streams, side by side, each token scored exactly once.

The first stream begins where the split does, from nothing. Every other one first reads, unscored, the window before
its own beginning, so that its first tokens are predicted from more than nothing: what is left of the cold start is what
a state remembers from beyond one window.
"""

import numpy as np
import torch

from idiolect.data.windows import SequentialWindows
from idiolect.evaluate.score import Passes, read, score_batch
from idiolect.models.continued import Continued

N_STREAMS = 16
# A stream is at least this long, or its beginning would weigh too much.
MIN_WINDOWS = 16


def plan_streams(n_windows: int, window_tokens: int, limit_tokens: int) -> tuple[np.ndarray, int]:
    """The first window of each stream, and how many windows each reads: all, or evenly spaced parts up to a limit."""
    wanted = min(n_windows, -(-limit_tokens // window_tokens)) if limit_tokens else n_windows
    n_streams = max(1, min(N_STREAMS, wanted // MIN_WINDOWS))
    length = -(-wanted // n_streams)
    first_R = np.arange(n_streams) * max(length, n_windows // n_streams)
    return first_R[first_R < n_windows], length


def stream_passes(model, windows: SequentialWindows, limit_tokens: int, where, device) -> Passes:
    """Windows in order along each stream; streams that end early drop out."""
    assert windows.stride == windows.context_length, windows.stride
    first_R, length = plan_streams(windows.n_samples, windows.stride, limit_tokens)
    cache = model.new_cache(len(first_R))
    if len(first_R) > 1:
        before, _ = read(windows, np.maximum(first_R - 1, 0))
        score_batch(Continued(model, cache), before.to(where), device)
        cache.states = [tuple(_emptied_first(h_RD) for h_RD in state) for state in cache.states]
    for step in range(length):
        going_on = int((first_R + step < windows.n_samples).sum())
        if going_on < cache.n_rows:
            cache = cache.select(torch.arange(going_on, device=where))
        batch, position_N = read(windows, first_R[:going_on] + step)
        yield position_N, *score_batch(Continued(model, cache), batch.to(where), device)


def _emptied_first(h_RD):
    h_RD = h_RD.clone()
    h_RD[0] = 0
    return h_RD
