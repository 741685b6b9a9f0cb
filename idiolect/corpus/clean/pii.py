"""Personal data and secrets in a text: found by kind, counted, and masked or a reason to drop the document.

A mask is a few plain words in brackets, such as [mail address]: a person understands it, a tokenizer has the words
already, and no reserved token looks like it, since those have no spaces ([MASK], <|endoftext|>, <extra_id_0>). Masking
twice changes nothing. Start at `mask`.
"""

from collections.abc import Callable

from idiolect.corpus.clean.config import PiiConfig
from idiolect.corpus.clean.keys import keys_in
from idiolect.corpus.clean.personal import Spans, cards_in, ibans_in, ips_in, mails_in, numbers_in, phones_in, ssns_in

# In order: where two kinds claim a place, the first has it.
MASKS = {
    "key": "[secret key]",
    "mail": "[mail address]",
    "iban": "[bank account]",
    "card": "[card number]",
    "ip": "[IP address]",
    "ssn": "[social security number]",
    "phone": "[phone number]",
}
# Every digit as 0 and every capital as A: what numbers and accounts must hold is then found by a search for bytes.
SHAPES = bytes(48 if 48 <= b < 58 else 65 if 65 <= b < 91 else b for b in range(256))
NUMBER_SHAPES = (b"000", b"0.0", b"00 00", b"00-00", b"00.00")
EVERYTHING = PiiConfig(**dict.fromkeys(MASKS, "mask"), private_ip=True)


def mask(text: str, config: PiiConfig) -> tuple[str, dict[str, int], bool]:
    """The text with what is to be masked or to drop it masked, how much of each kind there is, and whether to drop it.

    What drops a document is masked as well, so that no sample of the dropped shows it.
    """
    found = _found(text, config)
    if not found:
        return text, {}, False
    counts: dict[str, int] = {}
    parts, end = [], 0
    for start, stop, kind in found:
        counts[kind] = counts.get(kind, 0) + 1
        if getattr(config, kind) != "keep":
            parts += (text[end:start], MASKS[kind])
            end = stop
    drop = any(getattr(config, kind) == "drop" for kind in counts)
    return "".join((*parts, text[end:])) if parts else text, counts, drop


def hidden(text: str) -> str:
    """The text with every kind masked: what a page or a sample may show, whatever the corpus itself keeps."""
    return mask(text, EVERYTHING)[0]


def _found(text: str, config: PiiConfig) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what is looked for, in order, none over another."""
    spans = [
        (start, stop, kind)
        for kind, look in _looks(text, config).items()
        if config.count_kept or getattr(config, kind) != "keep"
        for start, stop in look()
    ]
    if not spans:
        return []
    order = {kind: rank for rank, kind in enumerate(MASKS)}
    taken: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda span: (span[0], order[span[2]])):
        if not taken or span[0] >= taken[-1][1]:
            taken.append(span)
        elif order[span[2]] < order[taken[-1][2]]:
            taken[-1] = span
    return taken


def _looks(text: str, config: PiiConfig) -> dict[str, Callable[[], Spans]]:
    """The kinds that the text could hold at all, as cheap looks tell."""
    looks: dict[str, Callable[[], Spans]] = {"key": lambda: keys_in(text, config.key_bits, config.key_characters)}
    shape = text.encode("utf-8", "replace").translate(SHAPES)
    places = numbers_in(text) if any(number in shape for number in NUMBER_SHAPES) else []
    if "@" in text:
        looks["mail"] = lambda: mails_in(text)
    if b"AA00" in shape:
        looks["iban"] = lambda: ibans_in(text)
    if places or shape.count(b":") > 1:
        looks["ip"] = lambda: ips_in(text, places, config.private_ip)
    if places:
        looks["card"] = lambda: cards_in(text, places)
        looks["ssn"] = lambda: ssns_in(text, places)
        looks["phone"] = lambda: phones_in(text, places)
    return looks
