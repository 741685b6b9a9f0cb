"""Text from elsewhere: every name that is no path becomes files in the cache, with origin, licence and hash.

    https://…   urls:list.txt   s3:// gs:// az:// memory:// file://
    hf:owner/name@revision:config/split   catalogue:name

Start at `resolve.resolve`; then `fetch.py`, the polite fetcher, on `wire.py` and `guard.py`. `hub.py`, `stores.py` and
`catalogue.py` say what a name means, `cache.py` where things lie. Nothing is imported before a name needs it.
"""

import re

REMOTE = re.compile(r"(https?|s3|gs|az|memory|file)://|(hf|urls|catalogue):")
# How a refusal by robots.txt ends; the books count them by it.
NOT_ALLOWED = "robots.txt does not allow it"


def is_remote(entry: str) -> bool:
    """Whether a name leads elsewhere, rather than to a path."""
    return REMOTE.match(entry) is not None
