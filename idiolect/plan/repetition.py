"""What reading the same text again is worth; nothing heavy is loaded for it."""

import math

# arXiv 2305.16264, table 4: repeated tokens lose their worth with this many repetitions.
REPEAT_DATA = 15.387743


def effective_tokens(tokens: float, unique: float) -> float:
    """What `tokens` read from `unique` different ones are worth in fresh tokens (arXiv 2305.16264, equation 5)."""
    if tokens <= unique:
        return tokens
    return unique * (1 + REPEAT_DATA * (1 - math.exp(-(tokens / unique - 1) / REPEAT_DATA)))
