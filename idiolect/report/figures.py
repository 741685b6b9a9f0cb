"""Numbers as people read them: 3.2 M, 5.9 MB, 4 min 38 s, 2.053 ± 0.012; what is unknown is a dash."""

from __future__ import annotations

import math

from idiolect.progress import show_count

DASH = "–"
THIN = "\u202f"  # narrow no-break space: groups digits and holds a unit to its number


def is_number(value: object) -> bool:
    """True for a finite int or float (a bool isn't a number here)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def count(value: object) -> str:
    """A whole number with grouped digits: 1 234 567."""
    return f"{round(value):,}".replace(",", THIN) if is_number(value) else DASH


def how_many(value: object, one: str) -> str:
    """A number of things: 1 document, 1 234 documents."""
    return f"{count(value)} {one}" + ("" if value == 1 else "s")


def short(value: object, unit: str = "") -> str:
    """Three significant digits with k, M, G, T, P, E: 3.21 M."""
    return show_count(value, unit).replace(" ", THIN) if is_number(value) else DASH


def significant(value: object, digits: int = 4) -> str:
    """The value to so many significant digits, never in exponent form between 1e-4 and 1e6."""
    if not is_number(value):
        return DASH
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if -5 < magnitude < 6:
        return f"{value:.{max(0, digits - 1 - magnitude)}f}"
    return f"{value:.{digits - 1}e}"


def size(n_bytes: object) -> str:
    """Bytes in decimal units: 5.91 MB."""
    return short(n_bytes, "B")


def duration(seconds: object) -> str:
    """A time in its two largest units: 4 min 38 s."""
    if not is_number(seconds):
        return DASH
    if seconds < 60:
        return f"{significant(seconds, 3) if seconds < 10 else f'{seconds:.0f}'}{THIN}s"
    rest = round(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= length or parts:
            parts.append((rest // length, unit))
            rest %= length
    return " ".join(f"{number}{THIN}{unit}" for number, unit in parts[:2] if number)


def share(part: object, whole: object) -> str:
    """A percentage: 12.3 %."""
    if not (is_number(part) and is_number(whole)) or whole == 0:
        return DASH
    percent = 100 * part / whole
    digits = 0 if percent in (0, 100) else 1 if percent >= 0.95 else 2
    return f"{percent:.{digits}f}{THIN}%"


def decimals(value: float) -> int:
    """Places after the point that a score is shown with: three below ten, fewer above."""
    return 3 if abs(value) < 10 else max(0, 3 - math.floor(math.log10(abs(value))))


def score(value: object) -> str:
    """A score `{"value", "low", "high"}` or a bare number, as its value alone."""
    number = value.get("value") if isinstance(value, dict) else value
    return f"{number:.{decimals(number)}f}" if is_number(number) else DASH


def interval(value: object) -> str:
    """The 95 % interval of a score, to the places of its value: [2.041, 2.065]; a dash where there is none."""
    if not isinstance(value, dict) or not all(is_number(value.get(key)) for key in ("value", "low", "high")):
        return DASH
    places = decimals(value["value"])
    return f"[{value['low']:.{places}f}, {value['high']:.{places}f}]"


def setting(value: object) -> str:
    """One value of a recipe as it would be written in TOML."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(setting(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
