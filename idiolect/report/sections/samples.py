"""Samples: what the trained model writes, unedited."""

from __future__ import annotations

from idiolect.report.markup import Markup, tag
from idiolect.report.sections import absent, frame

GLOSS = "Unedited. The words in colour were given; everything after them is the model's."
MOST = 24


def section(data: dict) -> Markup:
    """Every sample with its prompt."""
    rows = [sample for sample in data.get("samples") or [] if isinstance(sample, dict)]
    if not rows:
        return frame("samples", "Samples", GLOSS, absent("No samples were written", "idiolect generate"))
    shown = []
    for sample in rows[:MOST]:
        prompt = str(sample.get("prompt") or "")
        text = str(sample.get("text") or "").removeprefix(prompt)
        note = " · ".join(
            f"{key} {sample[key]}" for key in ("temperature", "top_p", "seed", "step") if sample.get(key) is not None
        )
        shown.append(tag("blockquote", tag("span", prompt, class_="prompt"), text, tag("cite", note) if note else None))
    more = tag("p", f"and {len(rows) - MOST} more in the run directory", class_="note") if len(rows) > MOST else None
    return frame("samples", "Samples", GLOSS, tag("div", shown, class_="samples"), more)
