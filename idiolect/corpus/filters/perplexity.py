"""What a language model of good text is surprised by: nats a byte decide, by language (CCNet, arXiv 1911.00359).

The model stands to the right of this room, so its judgement is received as a function `nats(texts)`; wired in
`stages/judges.py`. A percentile needs every document's price: it is found once all are known.
"""

import numpy as np

from idiolect.corpus.filters.quality_config import PerplexityConfig

BINS = 40
SHOWN = (1, 5, 10, 25, 50, 75, 90, 95, 99)
# Below this, percentiles of a language are luck: its documents are judged by those of the whole corpus.
LEAST_OF_A_LANGUAGE = 20


def limits_of(nats: np.ndarray, languages: list[str], config: PerplexityConfig) -> dict[str, tuple[float, float]]:
    """Least and most nats a byte that stay, of each language and, under "", of all; prices that are NaN don't count."""
    if config.keep == "threshold":
        return {"": (config.at_least, config.at_most)}
    nats = np.asarray(nats, float)
    known, of = np.isfinite(nats), np.array(languages, dtype=object)
    found = {"": _between(nats[known], config)}
    for language in sorted(set(languages) - {""}):
        prices = nats[known & (of == language)]
        if len(prices) >= LEAST_OF_A_LANGUAGE:
            found[language] = _between(prices, config)
    return found


def _between(prices: np.ndarray, config: PerplexityConfig) -> tuple[float, float]:
    if not len(prices):
        return 0.0, float("inf")
    low, high = np.quantile(prices, [config.drop_best, 1 - config.drop_worst], method="nearest")
    return float(low) if config.drop_best else 0.0, float(high) if config.drop_worst else float("inf")


def keeps(nats: np.ndarray, languages: list[str], limits: dict[str, tuple[float, float]]) -> np.ndarray:
    """Which documents stay; one without a price does."""
    low, high = np.array([limits.get(language, limits[""]) for language in languages]).reshape(-1, 2).T
    nats = np.asarray(nats, float)
    return ~np.isfinite(nats) | ((nats >= low) & (nats <= high))


def figures(nats: np.ndarray, languages: list[str], limits: dict[str, tuple[float, float]]) -> dict:
    """What the audit says: limits and percentiles of each language."""
    nats, of = np.asarray(nats, float), np.array(languages, dtype=object)
    known = np.isfinite(nats)
    percentiles = {}
    for language in limits:
        prices = nats[known & ((of == language) | (language == ""))]
        if len(prices):
            percentiles[language] = {str(p): float(v) for p, v in zip(SHOWN, np.percentile(prices, SHOWN), strict=True)}
    return {
        "unit": "nats_per_byte",
        "documents": int(known.sum()),
        "threshold": {
            k: {"least": low, "most": high if np.isfinite(high) else None} for k, (low, high) in limits.items()
        },
        "percentiles": percentiles,
        "histogram": _histogram(nats[known]),
    }


def _histogram(prices: np.ndarray) -> list[dict]:
    """Documents by price, up to a price that one in a thousand exceeds: the last column holds all beyond."""
    if not len(prices):
        return []
    n, edges = np.histogram(np.minimum(prices, top := np.quantile(prices, 0.999)), BINS, (0, max(float(top), 0.1)))
    return [
        {"from": float(a), "to": float(b), "documents": int(k)}
        for a, b, k in zip(edges[:-1], edges[1:], n, strict=True)
    ]
