"""The ending under which a fetched file is kept, from its Content-Type and its address; it decides the reader."""

import re
from pathlib import PurePosixPath

# These types say what the bytes are, whatever the address looks like (`/article.php`, `/paper?id=3`).
SURE = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
}
# Servers give these to anything: they count when the address has no ending that means something.
USUAL = {
    "text/markdown": ".md",
    "text/x-rst": ".rst",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/warc": ".warc",
    "application/mbox": ".mbox",
    "application/vnd.apache.parquet": ".parquet",
    "application/zip": ".zip",
    "text/plain": ".txt",
}
PACKED = (".gz", ".zst", ".bz2", ".xz")
DATA = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xml", ".warc", ".wet", ".mbox", ".zip")
ENDING = re.compile(r"\.[a-z0-9]{1,10}")


def holds_data(path: str) -> bool:
    """Whether an address ends like a file of data, which may be large, rather than like a page or a book."""
    return PurePosixPath(path).suffix.lower() in (*PACKED, *DATA)


def ending_of(content_type: str, path: str) -> str:
    """`.html`, `.jsonl.gz`, ...; `.txt` when nothing tells."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in SURE:
        return SURE[kind]
    suffixes = [s for s in PurePosixPath(path).suffixes[-2:] if ENDING.fullmatch(s.lower())]
    if suffixes and suffixes[-1].lower() in PACKED:
        return "".join(suffixes).lower()
    if suffixes and not suffixes[-1][1:].isdigit():
        return suffixes[-1].lower()
    return USUAL.get(kind, ".txt")
