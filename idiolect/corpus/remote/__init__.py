"""Text from elsewhere: every name that is no path becomes files in the cache, with origin, licence and hash.

    https://…   urls:list.txt   s3:// gs:// az:// memory:// file://
    hf:owner/name@revision:config/split   catalogue:name

Start at `resolve.resolve`; then `downloads.py` and `fetch.py`, the polite fetcher, on `wire.py` and `guard.py`. What a
name means say `hub.py`, `stores.py` and `catalogue.py`; where things lie, `cache.py`. `ranges.py` brings any bytes of a
file whose size and version are known: so come stores, and all that is fetched as it is read. Nothing is imported before
a name needs it.
"""

import re

REMOTE = re.compile(r"(https?|s3|gs|az|memory|file)://|(hf|urls|catalogue):")
# How a refusal by robots.txt ends; the books count them by it.
NOT_ALLOWED = "robots.txt does not allow it"


def is_remote(entry: str) -> bool:
    """Whether a name leads elsewhere, rather than to a path."""
    return REMOTE.match(entry) is not None
