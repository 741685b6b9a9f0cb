"""What the manifest of a prepared corpus (audit.json, with its `profile`) knows, as sentences for both documents."""

from idiolect.corpus.audit.markdown import count, share
from idiolect.progress import show_bytes, show_count

UNSTATED = ("", "not stated")
SAID_UNKNOWN = "unknown (said so)"
WITHOUT_LICENCE = ("not stated", SAID_UNKNOWN)


def kept_documents(audit: dict) -> int:
    """Documents of all splits."""
    return sum(split["documents"] for split in audit["kept"].values())


def kept_bytes(audit: dict) -> int:
    """Bytes of text of all splits."""
    return sum(split["bytes"] for split in audit["kept"].values())


def by_source(audit: dict) -> list[dict]:
    """Sources, the largest first."""
    return sorted(audit.get("sources", []), key=lambda row: (-row["bytes"], row["source"]))


def licence_of(row: dict) -> str:
    """A source's licence; what nobody stated is said to be so."""
    licence = str(row.get("licence") or "")
    return "not stated" if licence in UNSTATED else SAID_UNKNOWN if licence == "unknown" else licence


def by_licence(audit: dict) -> list[tuple[str, int, int]]:
    """(licence, documents, bytes) of all sources together, the largest first."""
    found: dict[str, list[int]] = {}
    for row in audit.get("sources", []):
        entry = found.setdefault(licence_of(row), [0, 0])
        entry[0] += row["documents"]
        entry[1] += row["bytes"]
    return sorted(((name, *entry) for name, entry in found.items()), key=lambda row: (-row[2], row[0]))


def languages(audit: dict) -> list[dict]:
    """Languages with their share of the bytes, as the profile counted them."""
    return [row for row in audit.get("profile", {}).get("shares", {}).get("language", []) if row["documents"]]


def language_sentence(audit: dict) -> str:
    """`en 82.0 %, de 18.0 %`; empty where no document says its language."""
    rows = [row for row in languages(audit) if row["name"] not in ("", "und")]
    if not rows:
        return ""
    unknown = 1 - sum(row["share"] for row in rows)
    named = ", ".join(f"{row['name']} {share(row['share'], 1)}" for row in rows)
    return named + (f", not identified {share(unknown, 1)}" if unknown > 0.0005 else "")


def tokens(audit: dict) -> tuple[int, bool] | None:
    """Tokens of the training text, and whether their number is an estimate; None where nobody counted."""
    unique = audit.get("profile", {}).get("unique")
    return (unique["tokens"], bool(unique["assumed"])) if unique else None


def size_sentence(audit: dict) -> str:
    """Documents, bytes and tokens of what is kept."""
    said = f"{count(kept_documents(audit))} documents with {show_bytes(kept_bytes(audit))} of text"
    known = tokens(audit)
    if known:
        about = "about " if known[1] else ""
        said += f", of which the training split has {about}{show_count(known[0])} tokens"
    return said


ACTIONS = {"keep": "left in the text", "mask": "masked", "drop": "its documents dropped"}


def pii(audit: dict) -> list[tuple[str, int, str]]:
    """Personal data found, by kind: (kind, how often, what was done with it, as far as it is known)."""
    found = audit.get("pii") or audit.get("profile", {}).get("pii") or {}
    rows = [(kind, row if isinstance(row, dict) else {"found": row}) for kind, row in found.items()]
    named = [(kind, row.get("found", 0), ACTIONS.get(row.get("action"), "")) for kind, row in rows]
    return sorted(named, key=lambda row: (-row[1], row[0]))


def dropped_rows(audit: dict) -> list[tuple[str, int, int]]:
    """(reason, documents, bytes), the most frequent first."""
    rows = [(reason, row["documents"], row["bytes"]) for reason, row in audit.get("dropped", {}).items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))
