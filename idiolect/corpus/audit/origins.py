"""Where the kept text comes from: web domains by size, and for each source the kind of place most of it is from."""

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.split import SPLITS

PUBLIC, CRAWLED, OTHER = "public", "crawled", "other"


def origins(folder: Path) -> dict:
    """`domains` as [{domain, documents, bytes}], the largest first, and `kinds` as {source: kind}.

    Streams all splits; memory grows with the number of domains and sources alone.
    """
    documents, sizes, kinds = Counter(), Counter(), {}
    for split in SPLITS:
        with pq.ParquetFile(Path(folder) / f"{split}.parquet") as file:
            if "origin" not in file.schema_arrow.names:
                continue
            for batch in file.iter_batches(batch_size=1024, columns=["source", "origin", "text"]):
                lengths = pc.fill_null(pc.binary_length(batch["text"]), 0).to_pylist()
                rows = zip(batch["source"].to_pylist(), batch["origin"].to_pylist(), lengths, strict=True)
                for source, origin, size in rows:
                    kinds.setdefault((source or "").partition("/")[0], Counter())[kind_of(origin or "")] += size
                    if host := host_of(origin or ""):
                        documents[host] += 1
                        sizes[host] += size
    rows = [{"domain": host, "documents": n, "bytes": sizes[host]} for host, n in documents.items()]
    return {
        "domains": sorted(rows, key=lambda row: (-row["bytes"], row["domain"])),
        "kinds": {source: max(sorted(found), key=found.__getitem__) for source, found in sorted(kinds.items())},
    }


def kind_of(origin: str) -> str:
    """Public dataset (of the hub or the catalogue), crawled (an address on the web), or something else."""
    if origin.startswith(("hf:", "hf://", "catalogue:")):
        return PUBLIC
    return CRAWLED if host_of(origin) else OTHER


def host_of(origin: str) -> str:
    """The domain of a web address without a leading www.; empty where it is none."""
    # A record of an archive is written archive.warc#address.
    address = origin[origin.find("http") :] if "#http" in origin else origin
    if not address.startswith(("http://", "https://")):
        return ""
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.")
    except ValueError:
        return ""
