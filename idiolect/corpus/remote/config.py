"""How text is fetched from elsewhere: who we say we are, how politely, how much, how long, and when to ask again."""

from typing import Literal

from idiolect.config import Config, Items, field


class FetchConfig(Config):
    """The settings of everything that comes over a network; none of them changes what a fetched file holds."""

    cache: str = field("runs/prepared/remote", "folder of downloads, shared by every run and safe to delete")
    disk_bytes: int = field(
        0, "most bytes of files from elsewhere on disk at once: each is fetched shortly before it is read and removed "
        "once its documents are safe; 0 fetches all before reading and keeps them for other runs", ge=0,
    )  # fmt: skip
    refresh: Literal["never", "changed", "always"] = field(
        "never", "what is in the cache: use it and ask nobody, ask whether it changed, or fetch it again"
    )
    contact: str = field("", "a mail address or page where a server's owner can reach you; sent as User-Agent")
    robots: bool = field(True, "obey each site's robots.txt; switch off for sites whose owner allowed you to")
    private_hosts: Items[str] = field(
        (), "hosts (name or name:port) that may have private addresses; all others must be public"
    )
    max_files: int = field(0, "fetch only the first so many files of each name; 0 fetches all", ge=0)

    seconds_between_requests: float = field(
        1.0, "pause between two requests to one host; robots.txt may ask more", ge=0
    )
    parallel_hosts: int = field(
        8, "hosts that are asked at the same time; each gets one request at a time", ge=1, le=64
    )
    max_redirects: int = field(
        5, "redirects followed for one file; each is checked like the first address", ge=0, le=20
    )
    retries: int = field(4, "further attempts when a server is busy or a body is cut", ge=0, le=20)
    backoff_seconds: float = field(1.0, "pause before the first further attempt; doubled before each next", ge=0)
    max_wait_seconds: float = field(120.0, "longest pause that a server may ask for (Retry-After, Crawl-delay)", ge=0)

    idle_seconds: float = field(30.0, "a server that says nothing for so long is given up", gt=0)
    max_seconds: float = field(21_600.0, "longest time for one attempt at a file; the next goes on from there", gt=0)
    min_bytes_per_second: float = field(500.0, "a body that arrives slower, on average, is given up", ge=0)
    max_bytes: int = field(64 * 2**30, "a longer file is refused", gt=0)
    max_ratio: int = field(200, "a reply that unpacks to more than this many times its size is a bomb", gt=1)

    anonymous: bool = field(False, "read s3:// and gs:// without credentials (public buckets)")
