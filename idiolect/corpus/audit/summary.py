"""The public summary of training content as Markdown, after the Commission's template (article 53(1)(d) AI Act).

What Idiolect counted is marked as measured; everything else needs its provider's word, and is marked until it has it.
"""

from collections.abc import Callable

from idiolect.corpus.audit import facts
from idiolect.corpus.audit.markdown import count, said, share, table
from idiolect.corpus.audit.origins import CRAWLED, OTHER, PUBLIC
from idiolect.corpus.audit.template import FIELDS
from idiolect.progress import show_bytes, show_count

PENDING = "**The provider's word is needed.**"
INTRODUCTION = (
    "After the European Commission's *Template for the Public Summary of Training Content for general-purpose AI "
    "models* (24 July 2025), article 53(1)(d) of Regulation (EU) 2024/1689. **Measured** is what Idiolect counted in "
    "the prepared corpus; **stated** is the provider's word, from the file that `corpus.about` names. It covers this "
    "corpus alone: whatever else the model was trained on belongs here too. It is no legal advice."
)
CHAPTERS = {"1": "1. General information", "2": "2. List of data sources", "3": "3. Aspects of data processing"}
# The template's ranges for text.
RANGES = ((10**9, "less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))
LARGE = 0.03
# The most relevant domains: the first tenth by size; of a small or medium enterprise the first 5 %, at most 1,000.
TOP_SHARE, SMALL_SHARE, SMALL_MOST = 0.1, 0.05, 1000
YES = ("yes", "true")


def summary(audit: dict, answers: dict[str, str], name: str = "corpus") -> str:
    """All fields of the template, each with what is measured, what is stated, or that the provider's word is needed."""
    parts = [f"# Public summary of training content: {said(name)}", INTRODUCTION]
    chapter = ""
    for title, fields in FIELDS:
        if title[0] != chapter:
            chapter = title[0]
            parts.append(f"## {CHAPTERS[chapter]}")
        parts.append(f"### {title}")
        for key, label in fields:
            parts.append(f"**{label}**")
            measured = FACTS[key](audit, answers) if key in FACTS else ""
            if measured:
                parts.append(f"Measured: {measured}")
            if key in answers:
                parts.append(f"Stated: {said(answers[key])}")
            elif not measured or key in WORD_TOO:
                parts.append(f'{PENDING} `{key} = "…"`')
    return "\n\n".join(parts) + "\n"


def modalities(audit: dict, _answers: dict) -> str:
    known = facts.tokens(audit)
    if known is None:
        return f"Text only: {facts.size_sentence(audit)}."
    range_ = next((words for limit, words in RANGES if known[0] < limit), "more than 10 trillion tokens")
    how = "estimated at 4 bytes a token" if known[1] else "counted with the tokenizer of the run"
    return f"Text only: {range_} ({show_count(known[0])} tokens, {how}; {show_bytes(facts.kept_bytes(audit))} in all)."


def content_types(audit: dict, _answers: dict) -> str:
    topics = audit.get("profile", {}).get("topics", {}).get("clusters", [])
    if not topics:
        return ""
    named = [f"{', '.join(map(said, topic['words'][:5]))} ({share(topic['share'], 1)})" for topic in topics[:8]]
    return f"topics found by clustering, by their words: {'; '.join(named)}."


def linguistic(audit: dict, _answers: dict) -> str:
    found = facts.language_sentence(audit)
    return f"{said(found)} of the bytes." if found else ""


def listed(audit: dict, kind: str) -> list[dict]:
    """The sources of one origin, the largest first; text drawn from a law has none but its own."""
    kinds = audit.get("kinds", {})
    return [] if "exact" in audit else [r for r in facts.by_source(audit) if kinds.get(r["source"], OTHER) == kind]


def rows_of(rows: list[dict], whole: int) -> str:
    """Sources as a table."""
    cells = [
        [row["source"], facts.licence_of(row), count(row["documents"]), show_bytes(row["bytes"]),
         share(row["bytes"], whole)]
        for row in rows
    ]  # fmt: skip
    head = ["dataset", "licence", "documents", "size", "share of bytes"]
    return "\n\n" + table(head, cells, numeric=(2, 3, 4))


def public_datasets(audit: dict, _answers: dict) -> str:
    rows = listed(audit, PUBLIC)
    whole = sum(row["bytes"] for row in rows)
    large = [row for row in rows if row["bytes"] > LARGE * whole]
    return rows_of(large, facts.kept_bytes(audit)) if large else ""


def other_public_datasets(audit: dict, _answers: dict) -> str:
    rows = listed(audit, PUBLIC)
    small = [row for row in rows if row["bytes"] <= LARGE * sum(r["bytes"] for r in rows)]
    return rows_of(small, facts.kept_bytes(audit)) if small else ""


def crawled_content(audit: dict, _answers: dict) -> str:
    rows = listed(audit, CRAWLED)
    return rows_of(rows, facts.kept_bytes(audit)) if rows else ""


def crawlers(audit: dict, _answers: dict) -> str:
    fetched = audit.get("fetched") or {}
    if not fetched:
        return ""
    return (
        f"Idiolect's fetcher, {count(fetched.get('urls', 0))} addresses: it asks each host's robots.txt first and "
        f"keeps to it ({count(fetched.get('refused_by_robots', 0))} addresses were left out for that), waits between "
        "requests, signs in nowhere and passes no paywall."
    )


def domains(audit: dict, answers: dict) -> str:
    rows = sorted(audit.get("domains") or [], key=lambda row: (-row["bytes"], row["domain"]))
    if not rows:
        return ""
    small = answers.get("small_enterprise", "").lower() in YES
    most = max(1, round(len(rows) * (SMALL_SHARE if small else TOP_SHARE)))
    most = min(most, SMALL_MOST) if small else most
    top = [[row["domain"], count(row["documents"]), show_bytes(row["bytes"])] for row in rows[:most]]
    which = "first 5 %, at most 1,000" if small else "first 10 %"
    return f"the {which} of {count(len(rows))} domains by size.\n\n" + table(
        ["domain", "documents", "size"], top, numeric=(1, 2)
    )


def synthetic(audit: dict, _answers: dict) -> str:
    return "all of this text is drawn from a stated law, by no model." if "exact" in audit else ""


def other_sources(audit: dict, _answers: dict) -> str:
    rows = listed(audit, OTHER)
    if not rows:
        return ""
    return (
        f"files given to Idiolect; where they come from, their provider knows.{rows_of(rows, facts.kept_bytes(audit))}"
    )


def illegal_content(audit: dict, _answers: dict) -> str:
    words = audit.get("dropped", {}).get("words_listed", {}).get("documents", 0)
    found = facts.pii(audit)
    parts = [f"{count(words)} documents were dropped for words of the provider's lists"] if words else []
    if found:
        parts.append(f"{count(sum(n for _, n, _ in found))} pieces of personal data were found by pattern")
    return "; ".join(parts) + "." if parts else ""


FACTS: dict[str, Callable[[dict, dict], str]] = {
    "modalities": modalities,
    "content_types": content_types,
    "linguistic": linguistic,
    "public_datasets": public_datasets,
    "other_public_datasets": other_public_datasets,
    "crawlers": crawlers,
    "crawled_content": crawled_content,
    "domains": domains,
    "synthetic": synthetic,
    "other_sources": other_sources,
    "illegal_content": illegal_content,
}
# A count is not the whole answer to these.
WORD_TOO = frozenset({"content_types", "crawlers", "synthetic", "other_sources", "illegal_content"})
