"""The datasheet of a prepared corpus as Markdown: measured where the manifest knows, asked where only its author can.

Gebru et al., "Datasheets for Datasets", arXiv 1803.09010v8. An unanswered question stays visible.
"""

from collections.abc import Callable

from idiolect.corpus.audit import facts
from idiolect.corpus.audit.markdown import count, said, share, table
from idiolect.corpus.audit.questions import SECTIONS
from idiolect.corpus.explain import REASONS
from idiolect.progress import show_bytes

NOT_ANSWERED = "**Not answered.**"
INTRODUCTION = (
    "After Gebru et al., *Datasheets for Datasets* (arXiv 1803.09010v8). **Measured** is what Idiolect counted while "
    "it prepared the corpus; **stated** is the author's word, from the file that `corpus.about` names. What nobody "
    "answered says so, with the key to answer it under."
)
MOST_ROWS = 40


def datasheet(audit: dict, answers: dict[str, str], name: str = "corpus") -> str:
    """All questions of the seven sections, each with what is measured, what is stated, or that neither is there."""
    keys = [key for _, questions in SECTIONS for key, _ in questions]
    known = sum(1 for key in keys if key in answers or FACTS.get(key, _none)(audit))
    parts = [f"# Datasheet: {said(name)}", INTRODUCTION, f"{known} of {len(keys)} questions are answered."]
    for title, questions in SECTIONS:
        parts.append(f"## {title}")
        parts += [answered(key, question, audit, answers) for key, question in questions]
    return "\n\n".join(parts) + "\n"


def answered(key: str, question: str, audit: dict, answers: dict[str, str]) -> str:
    """One question with its answers."""
    measured, stated = FACTS.get(key, _none)(audit), answers.get(key)
    lines = [f"### {question}"]
    if measured:
        lines.append(f"**Measured.** {measured}")
    if stated:
        lines.append(f"**Stated.** {said(stated)}")
    if not measured and not stated:
        lines.append(f'{NOT_ANSWERED} `{key} = "…"`')
    return "\n\n".join(lines)


def _none(_audit: dict) -> str:
    return ""


def instances(audit: dict) -> str:
    read = audit["read"]
    files = f" from {count(read['files'])} files" if read.get("files") else ""
    rows = facts.by_source(audit)
    listed = table(
        ["source", "licence", "documents", "size", "share of bytes"],
        [
            [row["source"], facts.licence_of(row), count(row["documents"]), show_bytes(row["bytes"]),
             share(row["bytes"], facts.kept_bytes(audit))]
            for row in rows[:MOST_ROWS]
        ],
        numeric=(2, 3, 4),
    )  # fmt: skip
    more = f"\n\nand {len(rows) - MOST_ROWS} more sources." if len(rows) > MOST_ROWS else ""
    return f"Text documents{files}, of {len(rows)} {'source' if len(rows) == 1 else 'sources'}.\n\n{listed}{more}"


def number(audit: dict) -> str:
    return f"{facts.size_sentence(audit)}; {count(audit['read']['documents'])} documents were read."


def sample(audit: dict) -> str:
    if "exact" in audit:
        return "The text is drawn from a law whose entropy is known: a sample of all that the law can say."
    left = audit["read"]["documents"] - facts.kept_documents(audit)
    return (
        f"Of the {count(audit['read']['documents'])} documents read, {count(left)} were dropped "
        f"({share(left, audit['read']['documents'])}), each with its reason; whether what was read is all there is, "
        "its author knows."
    )


def data(audit: dict) -> str:
    lengths = audit.get("profile", {}).get("lengths")
    said_ = "Plain text with its source, licence, language and label, in Parquet."
    if lengths and lengths.get("percentiles"):
        at = lengths["percentiles"]
        said_ += (
            f" Half the documents have between {count(at['25'])} and {count(at['75'])} characters "
            f"(median {count(at['50'])})."
        )
    return said_


def labels(audit: dict) -> str:
    rows = [row for row in audit.get("profile", {}).get("shares", {}).get("label", []) if row["name"]]
    if not rows:
        return ""
    return "Yes: " + ", ".join(f"{said(row['name'])} ({count(row['documents'])})" for row in rows[:MOST_ROWS]) + "."


def missing(audit: dict) -> str:
    unstated = sum(documents for name, documents, _ in facts.by_licence(audit) if name == "not stated")
    n = facts.kept_documents(audit)
    return f"{count(unstated)} of {count(n)} documents ({share(unstated, n)}) have no stated licence."


def splits(audit: dict) -> str:
    listed = ", ".join(f"{name} {count(split['documents'])}" for name, split in audit["kept"].items())
    said_ = f"{listed} documents. The same text is on the same side whatever stands around it."
    for row in audit.get("profile", {}).get("overlap", []):
        if row["n"] == 13:
            said_ += (
                f" Of the 13-grams of {said(row['of'])}, {share(row['share'], 1)} also occur in {said(row['within'])}."
            )
    return said_


def errors(audit: dict) -> str:
    parts = [f"{count(audit.get('n_skipped_files', 0))} files and {count(audit.get('n_skipped_rows', 0))} rows could "
             "not be read and were passed over."]  # fmt: skip
    repeated = audit.get("profile", {}).get("repetition", {}).get("repeated_share")
    if repeated is not None:
        parts.append(f"In the training text {share(repeated, 1)} of the 13-grams repeat an earlier one.")
    return " ".join(parts)


def self_contained(_audit: dict) -> str:
    return "Yes: the prepared files hold every text; nothing is fetched when they are used."


def identifiable(audit: dict) -> str:
    found = [
        f"{said(kind)} {count(n)}" + (f" ({action})" if action else "") for kind, n, action in facts.pii(audit) if n
    ]
    if not found:
        return ""
    return f"Found by pattern: {', '.join(found)}. Patterns find no names and no stories: text about people names them."


def preprocessing(audit: dict) -> str:
    rows = facts.dropped_rows(audit)
    changed = count(audit.get("cleaned", {}).get("documents", 0))
    said_ = f"Characters, spaces or lines were mended in {changed} documents."
    made = audit.get("transformed", {}).get("made")
    said_ += f" The text was made easier: {', '.join(map(said, made))}." if made else ""
    if not rows:
        return said_ + " No document was dropped."
    why = [[reason, REASONS[reason][0] if reason in REASONS else "", count(n), show_bytes(size)]
           for reason, n, size in rows]  # fmt: skip
    return f"{said_} Dropped:\n\n" + table(["reason", "meaning", "documents", "size"], why, numeric=(2, 3))


def raw(_audit: dict) -> str:
    return "The files read were not changed. Samples of every reason for a drop are in `dropped.parquet`."


def software(_audit: dict) -> str:
    return "Yes: Idiolect, by the settings in the recipe; the same files and settings give the same bytes again."


def restrictions(audit: dict) -> str:
    whole = facts.kept_bytes(audit)
    return "Licences, by bytes: " + ", ".join(
        f"{said(name)} {share(size, whole)}" for name, _, size in facts.by_licence(audit)
    ) + "."  # fmt: skip


FACTS: dict[str, Callable[[dict], str]] = {
    "instances": instances,
    "number": number,
    "sample": sample,
    "data": data,
    "labels": labels,
    "missing": missing,
    "splits": splits,
    "errors": errors,
    "self_contained": self_contained,
    "identifiable": identifiable,
    "preprocessing": preprocessing,
    "raw": raw,
    "software": software,
    "restrictions": restrictions,
}
