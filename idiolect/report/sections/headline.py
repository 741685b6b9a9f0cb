"""The first screen: what was trained, how good it is beside its floors, and how it sounds."""

from __future__ import annotations

from idiolect.report import charts, figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import find_score, floors_of, given_floors, part, plain
from idiolect.report.sections.scores import against

# Families as prose has them, with their article; a kind from outside is shown as it calls itself.
FAMILIES = {
    "bert": "A BERT", "cnn": "A convolutional language model", "gpt": "A GPT language model",
    "gru": "A GRU language model", "lstm": "An LSTM language model", "mamba2": "A Mamba-2 language model",
    "ngram": "An n-gram model", "rnn": "A recurrent language model", "seq2seq": "A recurrent encoder-decoder",
    "t5": "A T5",
}  # fmt: skip


def section(data: dict) -> Markup:
    """Name, one sentence, the few numbers that matter, the ladder of floors, and one sample."""
    return tag(
        "header",
        tag("p", eyebrow(data), class_="eyebrow"),
        tag("h1", data.get("name") or "A run without a name"),
        tag("p", sentence(data), class_="lede"),
        numbers(data),
        ladder(data),
        voice(data),
        class_="hero",
        id="top",
    )


def eyebrow(data: dict) -> str:
    """Idiolect, and when the run happened if its lineage says so."""
    lineage = part(data, "lineage")
    when = next((lineage[key] for key in ("finished", "ended", "created", "started", "date") if lineage.get(key)), None)
    return f"Idiolect · {str(when)[:10]}" if when else "Idiolect"


def total_parameters(data: dict) -> float | None:
    """All parameters of the model, summed over its parts when no total is given."""
    parts = part(part(data, "model"), "parameters")
    if figures.is_number(parts.get("total")):
        return parts["total"]
    known = [value for value in parts.values() if figures.is_number(value)]
    return sum(known) if known else None


def active_parameters(data: dict) -> float | None:
    """What a token meets of a mixture of experts; None where that is the whole model."""
    active, total = part(data, "model").get("active_parameters"), total_parameters(data)
    return active if figures.is_number(active) and total and active < total else None


def counts(data: dict) -> bool:
    """Whether this is an n-gram model, which counts its text once and trains nothing."""
    return (data.get("recipe") or {}).get("model.kind") == "ngram"


def training_seconds(data: dict) -> float | None:
    """How long training took: from the cost if it is there, else the last line of the metrics."""
    seconds = part(data, "cost").get("train_seconds")
    if seconds is None:
        lines = [line["seconds"] for line in data.get("metrics") or [] if figures.is_number(line.get("seconds"))]
        seconds = lines[-1] if lines else None
    return seconds


def tokens_trained(data: dict) -> float | None:
    """Tokens the optimiser has seen, from the last line of the metrics."""
    lines = [line["tokens"] for line in data.get("metrics") or [] if figures.is_number(line.get("tokens"))]
    return lines[-1] if lines else None


def sentence(data: dict) -> str:
    """The run in one sentence, made only of what is known."""
    parameters, seconds = total_parameters(data), training_seconds(data)
    kind = (data.get("recipe") or {}).get("model.kind")
    subject = FAMILIES.get(str(kind), f"A {kind} language model") if kind else "A language model"
    said = f"{subject} of {figures.short(parameters)} parameters" if parameters else subject
    said += f" ({figures.short(active)} of them met by a token)" if (active := active_parameters(data)) else ""
    kept = part(part(data, "audit"), "kept")
    learned = kept.get("train") or {}
    if not (parameters or seconds or kept):
        return "This run has recorded nothing yet."
    said += ", counted" if counts(data) else ", trained from scratch"
    if figures.is_number(learned.get("bytes")):
        said += f" on {figures.size(learned['bytes'])} of text"
    if seconds:
        said += f" in {figures.duration(seconds)}"
    return said + "."


def numbers(data: dict) -> Markup | None:
    """Up to five large figures."""
    cells: list[tuple[str, str, str]] = []
    found = find_score(part(data, "evaluation"), "bits_per_byte")
    if found:
        split, score = found
        unit = "bits per byte" if data.get("reads") != "both" else "pseudo bits per byte"
        cells.append((figures.score(score), unit, f"{split} {figures.interval(score)}".replace(figures.DASH, "")))
    if total_parameters(data):
        active = active_parameters(data)
        note = f"{figures.short(active)} for a token" if active else ""
        cells.append((figures.short(total_parameters(data)), "parameters", note))
    if tokens_trained(data):
        verb = "counted" if counts(data) else "trained on"
        cells.append((figures.short(tokens_trained(data)), f"tokens {verb}", epochs(data)))
    if training_seconds(data):
        cells.append((figures.duration(training_seconds(data)), f"of {'counting' if counts(data) else 'training'}", ""))
    money = part(data, "cost").get("money")
    if figures.is_number(money):
        cells.append((f"{money:.2f}{figures.THIN}{part(data, 'cost').get('currency', '')}", "cost", ""))
    if not cells:
        return None
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", tag("strong", value), tag("small", note) if note.strip() else None))
            for value, name, note in cells
        ],
        class_="numbers",
    )


def epochs(data: dict) -> str:
    """How often the training text was read, when both counts are known."""
    unique = part(data, "tokenizer").get("train_tokens") or part(data, "cost").get("unique_tokens")
    trained = tokens_trained(data)
    return f"{trained / unique:.1f} epochs" if figures.is_number(unique) and unique and trained else ""


def ladder(data: dict) -> Markup | None:
    """The model on one scale with the floors: is this number good? Pseudo-likelihoods are on no such scale."""
    if data.get("reads") == "both":
        return None
    found = find_score(part(data, "evaluation"), "bits_per_byte")
    if not found:
        return None
    split, score = found
    steps = [floor for floor in floors_of(data, split) if floor["bits_per_byte"] is not None]
    if not steps:
        return None
    whole = max([step["bits_per_byte"] for step in steps] + [score["value"]]) * 1.02
    rows = [(step["bits_per_byte"], step["name"], None, "floor") for step in steps]
    rows.append((score["value"], "this model", score, "model"))
    drawn = [
        tag(
            "div",
            tag("span", name, class_="label"),
            charts.needle(value, whole, (its or {}).get("low"), (its or {}).get("high"), kind),
            tag("span", figures.score(value), class_="value"),
            class_=f"rung {kind}",
            role="listitem",
        )
        for value, name, its, kind in sorted(rows, key=lambda row: -row[0])
    ]
    limit = next((step for step in steps if step.get("limit")), None)
    best = min((step for step in steps if step is not limit), key=lambda step: step["bits_per_byte"], default=limit)
    return tag(
        "figure",
        tag("div", drawn, role="list"),
        tag(
            "figcaption",
            f"Bits per byte on {'the ' + split + ' split' if split else 'held-out text'}: the shorter, the better. ",
            verdict(score, best, paired(data, best["name"], split)),
            f" {beyond(data)}" if limit else None,
            f" {aside}" if (aside := hardly_taught(data, split)) else None,
        ),
        class_="ladder",
    )


def paired(data: dict, floor: str, split: str) -> dict | None:
    """The difference to this floor on the very same tokens, where the evaluation measured one."""
    labels = {plain(str(value.get("label") or key)): key for key, value in given_floors(data, split).items()
              if isinstance(value, dict)}  # fmt: skip
    found = against(part(data, "evaluation")).get(labels.get(floor, floor))
    difference = part(found, "difference") if isinstance(found, dict) else {}
    return difference if figures.is_number(difference.get("value")) else None


def verdict(score: dict, best: dict, difference: dict | None = None) -> str:
    """The model against the best floor in words; where an interval holds zero there is no difference to claim."""
    value, floor = score["value"], best["bits_per_byte"]
    if difference is None:
        difference = {"value": value - floor} | {key: score[key] - floor for key in ("low", "high") if key in score}
    apart, low = difference["value"], difference.get("low", difference["value"])
    if low <= 0 <= difference.get("high", apart):
        return f"No difference from {best['name']} can be told."
    share = f"{abs(apart) / floor * 100:.1f}{figures.THIN}%"
    if apart < 0:
        return f"The model needs {share} fewer bits than {best['name']}, the best of its floors."
    return f"The model needs {share} more bits than {best['name']}: it has not caught up with counting."


def hardly_taught(data: dict, split: str) -> str:
    """What an objective that is no probability of the text was scored on itself; nothing for all others."""
    nats = part(part(part(part(data, "evaluation"), split), "objective"), "nats")
    if not figures.is_number(nats.get("value")):
        return ""
    kind = plain(str((data.get("recipe") or {}).get("data.objective.kind", "its objective")))
    return (
        f"These bits are those of going on with the text, which {kind} hardly teaches; at {kind} itself it needs "
        f"{figures.score(nats)} nats a target."
    )


def beyond(data: dict) -> str:
    """How far the model is from the exact entropy of a generated text: near is right, below is impossible."""
    difference = part(part(against(part(data, "evaluation")), "exact"), "difference")
    if not figures.is_number(difference.get("value")):
        return "No model can do better than the exact entropy."
    apart = f"{difference['value']:+.3f} bits per byte from the exact entropy of this text"
    if difference.get("high", 0) < 0:
        return f"It is {apart}: below is impossible, so something leaks."
    return f"It is {apart}; no model can get below."


def voice(data: dict) -> Markup | None:
    """The first sample, set large."""
    samples = [sample for sample in data.get("samples") or [] if isinstance(sample, dict) and sample.get("text")]
    if not samples:
        return None
    first = samples[0]
    prompt = str(first.get("prompt") or "")
    text = str(first["text"]).removeprefix(prompt)
    shown = text if len(text) <= 420 else text[:420].rsplit(" ", 1)[0] + " …"
    return tag(
        "figure",
        tag("blockquote", tag("span", prompt, class_="prompt"), shown),
        tag("figcaption", "What it writes; the words in colour were given to it." if prompt else "What it writes."),
        class_="voice",
    )
