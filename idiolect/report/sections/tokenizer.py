"""The tokenizer: how much text a token holds, the longest tokens, and how it cuts real sentences."""

from __future__ import annotations

from idiolect.report import figures
from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, facts, frame, number_of, part, plain

GLOSS = "Documents become token ids. The model never sees a letter, only these pieces."
MOST_TOKENS = 48
NAMED = ("kind", "vocabulary_size", "bytes_per_token", "fertility", "vocabulary_used", "lossless", "loss_note", "hash")


def section(data: dict) -> Markup:
    """Its figures, its longest tokens, and examples of segmentation."""
    inspected = part(data, "tokenizer")
    if not inspected:
        return frame("tokenizer", "Tokenizer", GLOSS, absent("This run has no inspection of its tokenizer"))
    return frame(
        "tokenizer",
        "Tokenizer",
        GLOSS,
        figures_of(inspected),
        longest(inspected),
        examples(inspected),
        unseen(inspected),
    )


def figures_of(inspected: dict) -> Markup:
    """Everything it says about itself that is one value."""
    rest = [key for key, value in inspected.items() if key not in NAMED and isinstance(value, (int, float, str, bool))]
    pairs = []
    for key in [*NAMED, *rest]:
        value = inspected.get(key)
        number = number_of(value)
        if value is None or value == "" or (isinstance(value, (list, dict)) and number is None):
            continue
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        elif number is None:
            shown = str(value)[:16] if key == "hash" else str(value)
        elif key in ("vocabulary_used",) and number <= 1:
            shown = figures.share(number, 1)
        else:
            shown = figures.count(number) if float(number).is_integer() else figures.significant(number)
        pairs.append((plain(key), shown))
    return facts(pairs)


def pieces(values: list, kind: str = "tokens") -> Markup:
    """Tokens as tinted pieces: the tint shows their spaces, line ends and tabs are drawn."""
    return tag("p", [tag("span", token_text(value), class_="token") for value in values], class_=kind)


def token_text(value: object) -> str:
    """A token's text, whether it is given bare, as a pair, or as a dict."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("text", "token", "piece") if key in value), "")
    elif isinstance(value, (list, tuple)):
        value = next((item for item in value if isinstance(item, str)), "")
    return str(value).replace("\n", "↵").replace("\t", "⇥")


def longest(inspected: dict) -> Markup | None:
    """The longest tokens: they show at a glance what the text is about, and what should have been cleaned."""
    values = (inspected.get("longest") or [])[:MOST_TOKENS]
    return tag("div", tag("h3", "Longest tokens"), pieces(values, "tokens apart")) if values else None


def examples(inspected: dict) -> Markup | None:
    """Sentences cut into their tokens."""
    rows = inspected.get("examples") or inspected.get("segmentation") or []
    shown = []
    for row in rows[:8]:
        tokens = row.get("tokens") or row.get("pieces") if isinstance(row, dict) else row
        if isinstance(tokens, (list, tuple)) and tokens:
            shown.append(tag("li", pieces(list(tokens)), tag("small", f"{len(tokens)} tokens")))
    return tag("div", tag("h3", "How it cuts"), tag("ul", shown, class_="cuts")) if shown else None


def unseen(inspected: dict) -> Markup | None:
    """Tokens of the vocabulary that the text never used."""
    values = inspected.get("unseen")
    if not isinstance(values, list) or not values:
        return None
    return tag("div", tag("h3", "Never used in the sampled text"), pieces(values[:MOST_TOKENS], "tokens apart quiet"))
