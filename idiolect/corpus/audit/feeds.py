"""What size of model the unique text can feed: tokens read once or again, and what reading again is worth."""

from collections.abc import Callable

# Compute-optimal tokens a parameter at one epoch (Hoffmann et al. 2022, arXiv 2203.15556, section 3.4), of models of 70
# million parameters and more. The planner's own figure is for runs of minutes, about which nothing is published.
TOKENS_PER_PARAMETER = 20
EPOCHS = (1, 2, 4, 8, 16, 40)
# Nearly as good as fresh text up to here (Muennighoff et al. 2023, arXiv 2305.16264).
ADVISED = 4


def feeds(unique_tokens: int, worth: Callable[[float, float], float]) -> dict:
    """Parameters that the text feeds when it is read again and again; `worth(seen, unique)` is in fresh tokens."""
    rows = []
    for epochs in EPOCHS if unique_tokens else ():
        seen = epochs * unique_tokens
        fresh = round(worth(seen, unique_tokens))
        rows.append(
            {
                "epochs": epochs,
                "seen_tokens": seen,
                "worth_tokens": fresh,
                "parameters": round(fresh / TOKENS_PER_PARAMETER),
            }
        )
    parameters = next((row["parameters"] for row in rows if row["epochs"] == ADVISED), 0)
    sentence = (
        f"{_count(unique_tokens)} unique tokens, read {ADVISED} times, feed a model of about {_count(parameters)} "
        f"parameters ({TOKENS_PER_PARAMETER} tokens a parameter); each further reading is worth less, "
        "the 16th two fifths of fresh text. For runs of minutes, idiolect plan reckons with fewer tokens a parameter, "
        "and may choose a larger one."
    )
    return {
        "parameters": parameters, "tokens_per_parameter": TOKENS_PER_PARAMETER, "unique_tokens": unique_tokens,
        "epochs": rows, "sentence": sentence if rows else "There is no text to feed a model with.",
    }  # fmt: skip


def _count(n: float) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return str(round(n))
