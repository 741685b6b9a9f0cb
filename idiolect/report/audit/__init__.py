"""What is in a prepared corpus, for a person to read: chapters of its audit, each a piece of HTML or nothing at all.

`CHAPTERS` is the order of the page. Every chapter is `content(audit) -> Markup | None`: None when the audit says
nothing about it, so that no empty frame is shown. `audit` is audit.json, with the figures of profile.json under
`profile`.
"""

from __future__ import annotations

from idiolect.report.audit import (
    funnel,
    leaks,
    lost,
    people,
    quality,
    repeats,
    rules,
    shares,
    topics,
    treated,
    variety,
    worth,
)
from idiolect.report.markup import Markup

CHAPTERS = (
    ("funnel", "The funnel", "From what was read to what is kept. Each drop has one reason, and the account balances.",
     funnel),
    ("worth", "What it can feed", "Text that repeats itself teaches little. What counts is how much of it is new.",
     worth),
    ("shares", "Who speaks", "Languages, sources and licences, by their share of the text. An unstated licence is no "
     "licence.", shares),
    ("rules", "The rules", "What each rule does alone and beside the others. One that never acts alone can go.", rules),
    ("quality", "Judged by models", "Scores of the quality classifier and of the n-gram model, with their thresholds.",
     quality),
    ("repeats", "Said twice", "Documents that were there before, word for word or nearly; passages that came again.",
     repeats),
    ("leaks", "Leaks", "What held-out text and evaluation sets share with the training text: scores on it flatter.",
     leaks),
    ("treated", "Changed", "What cleaning and the recipe's transforms did to documents that were read.", treated),
    ("people", "Personal data", "Found by patterns, which know no names and no stories.", people),
    ("variety", "Words", "How many different words, how fast new ones come, and what is said again and again.",
     variety),
    ("topics", "Topics", "Documents grouped by the words they prefer. Groups are found, not given.", topics),
    ("lost", "Passed over", "Files and rows that could not be read, by name.", lost),
)  # fmt: skip


def chapters(audit: dict) -> list[tuple[str, str, str, Markup]]:
    """The chapters that have something to say, as (identity, title, gloss, content)."""
    found = [(identity, title, gloss, room.content(audit)) for identity, title, gloss, room in CHAPTERS]
    return [chapter for chapter in found if chapter[3]]
