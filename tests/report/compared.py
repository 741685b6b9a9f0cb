"""A comparison as `compare.json` holds it: three learn, one counts, one stands apart, one failed."""


def row(name: str, value: float | None, role: str = "scored", half: float = 0.02, **more) -> dict:
    """One contender."""
    score = {"value": value, "low": value - half, "high": value + half, "n": 3} if value else None
    xs = [10.0, 30.0, 60.0]
    band = {"x": xs, "mean": [value + 1, value + 0.3, value], "low": [value + 0.8, value + 0.2, value - half],
            "high": [value + 1.2, value + 0.4, value + half]} if value else {}  # fmt: skip
    learns = role != "counted" and bool(value)
    return {
        "name": name, "kind": name, "role": role, "shape": "4 x 128" if learns else "-",
        "parameters": 1_000_000 if learns else 0, "mismatch": 0.012 if learns else None,
        "flops_per_token": 6_000_000 if learns else 0, "usual_learning_rate": 2e-3,
        "learning_rate": 2e-3 if learns else None, "at_edge": False,
        "search": [{"learning_rate": 2e-3, "value": value, "failed": "", "folder": "x"},
                   {"learning_rate": 6e-3, "value": None, "failed": "not finite", "folder": "y"}] if learns else [],
        "runs": [{"seed": 2, "folder": "z", "failed": "", "bits_per_byte": value}], "bits_per_byte": score,
        "over_text": score, "scored_as": "probability", "failed": "",
        "curves": {axis: band for axis in ("seconds", "flops", "tokens")} if learns else {},
        "steps": 900, "tokens": 700_000, "seconds": 60.0, "tokens_per_second": 11_000.0, "memory_bytes": 210_000_000,
    } | more  # fmt: skip


def pair(first: str, second: str, difference: float, verdict: str, text: dict | None) -> dict:
    """Two contenders and what came of them."""
    return {"first": first, "second": second, "difference": difference, "low": difference - 0.02,
            "high": difference + 0.02, "p": 0.001, "adjusted_p": 0.003, "verdict": verdict, "text": text}  # fmt: skip


def comparison(name: str = "shakespeare", families=("gpt", "lstm", "cnn", "ngram", "bert", "rnn")) -> dict:
    """The whole comparison; `families` names its six contenders."""
    gpt, lstm, cnn, ngram, bert, rnn = families
    text = {"value": 0.1, "low": 0.08, "high": 0.12, "n": 111_541}
    won = f"{gpt} better than {lstm} by 0.110 ± 0.020 bits per byte"
    return {
        "name": name, "folder": "runs/shakespeare-compare",
        "budget": {"kind": "seconds", "amount": 60.0, "text": "1 min 00 s of training a run"},
        "parameters": 1_000_000, "embeddings_count": True, "split": "validation", "scored_tokens": 111_541,
        "scored_bytes": 111_540, "seeds": 3, "search": {"rates": [0.333, 1.0, 3.0], "share": 0.25, "widenings": 1},
        "contenders": [row(gpt, 2.2), row(lstm, 2.31), row(cnn, 2.32, at_edge=True), row(ngram, 2.4, "counted"),
                       row(bert, 1.7, "apart"), row(rnn, None, failed="diverged with every seed")],
        "pairs": [pair(gpt, lstm, 0.11, won, text), pair(lstm, cnn, 0.01, "no difference at this budget", None)],
        "verdicts": [won], "notes": ["Nothing was held out for test."],
        "lineage": {"date": "2026-11-21T10:00:00+00:00"},
    }  # fmt: skip
