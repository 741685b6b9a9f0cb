"""What sliding windows save while decoding: a cache that keeps a window beside one that keeps everything.

    python benchmarks/windows.py [--repeats 5] [--tokens 64] [--window 128] [--pattern S]

One row, random weights, greedy, one core. A text of so many tokens is read, and then tokens are read one at a time; the
two caches take turns inside each repeat. Bytes are those of keys and values.
"""

import argparse
import statistics
import time

import torch

from idiolect.models.build import build_model
from idiolect.models.cache import KeyValueCache
from idiolect.models.cache_layers import AllPositions
from idiolect.models.config import GPTConfig
from idiolect.models.masks import build_reach


class Everything(KeyValueCache):
    """Keys and values of all positions in every layer; a window is a mask over them."""

    def __init__(self, windows, n_rows, n_kv_heads, capacity, d_head, like):
        super().__init__([0] * len(windows), n_rows, n_kv_heads, capacity, d_head, like)

    def reach(self, window, positions_BT):
        n_source = self.length + positions_BT.shape[1]
        return build_reach(window, positions_BT, n_source, self.lengths_B is not None, None)


def held_bytes(cache):
    """Bytes of keys and values that were written."""
    rows = (layer.held if not isinstance(layer, AllPositions) else [x[:, :, : cache.length] for x in layer.held]
            for layer in cache.layers)  # fmt: skip
    return sum(x.numel() * x.element_size() for held in rows for x in held)


def decode(model, kind, prompt, n_tokens):
    """CPU milliseconds a token, and the cache at the end."""
    config = model.config
    cache = kind(config.windows, 1, config.resolved_n_kv_heads, model.context_length, config.resolved_d_head,
                 model.embed.weight)  # fmt: skip
    hidden, cache = model(prompt, cache)
    cache.set_lengths(cache.lengths())
    started = time.process_time()
    for _ in range(n_tokens):
        token = model.head(hidden[:, -1:]).argmax(-1)
        hidden, cache = model(token, cache)
    return 1e3 * (time.process_time() - started) / n_tokens, cache


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--pattern", default="S")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = GPTConfig(
        n_layers=6, d_model=384, n_heads=6, context_length=8192 + asked.tokens, sliding_window=asked.window,
        window_pattern=asked.pattern,
    )  # fmt: skip
    model = build_model(config, 4096, 0).eval()
    caches = {"window": KeyValueCache, "everything": Everything}
    with torch.inference_mode():
        for n_read in (asked.window, 512, 2048, 8192):
            prompt = torch.randint(0, 4096, (1, n_read), generator=torch.Generator().manual_seed(0))
            spent, size = {name: [] for name in caches}, {}
            for _ in range(asked.repeats):
                for name, kind in caches.items():
                    milliseconds, cache = decode(model, kind, prompt, asked.tokens)
                    spent[name].append(milliseconds)
                    size[name] = held_bytes(cache)
            for name, found in spent.items():
                print(
                    f"after {n_read:5} tokens {name:10} {statistics.median(found):6.2f} CPU ms/token "
                    f"({min(found):.2f} to {max(found):.2f}, n = {asked.repeats}) {size[name] / 2**20:7.2f} MiB"
                )


if __name__ == "__main__":
    main()
