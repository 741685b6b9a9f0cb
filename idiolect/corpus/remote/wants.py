"""The files that a name leads to, before they are fetched, and fetching them: hosts at once, each its files in turn."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from idiolect.corpus.remote.cache import Entry
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.local import Remote
from idiolect.corpus.remote.urls import Unfetchable, Url
from idiolect.progress import Progress


@dataclass(frozen=True)
class Want:
    """A file to fetch, what it is to be called, and what is known of it beforehand."""

    url: Url
    name: str
    origin: str
    licence: str = ""
    split: str = ""
    sha256: str = ""
    member: str = ""
    authorization: str = ""
    robots: bool = True
    n_bytes: int = 0
    version: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> Remote:
        """The same file, for later; the hub says beforehand what it is."""
        ending = ending_of("", self.url.path)
        return Remote("hub", self.url, self.n_bytes, self.version, ending, sha256=self.sha256)


def fetch_all(
    wants: Sequence[Want], fetcher: Fetcher, progress: Progress, alone: bool
) -> list[Entry | Remote | Unfetchable]:
    """Every file or what kept us from having it, in order. A host is asked by one thread, hosts at the same time.

    With `fetch.disk_bytes`, files that can be identified beforehand are left for later (`alone`: of web servers, too).
    """
    later = bool(fetcher.config.disk_bytes)
    hosts: dict[str, list[int]] = {}
    for i, want in enumerate(wants):
        hosts.setdefault(want.url.host, []).append(i)
    results: list[Entry | Remote | Unfetchable | None] = [None] * len(wants)
    missing = [want for want in wants if not (later and want.version) and fetcher.cache.entry(want.url.key) is None]
    sizes = [want.n_bytes for want in missing]
    total = sum(sizes) / 1e6 if sizes and all(sizes) else None
    with progress.bar("fetching", total, "MB") as bar:

        def advance(n: int) -> None:
            bar.advance(n / 1e6, files=sum(r is not None for r in results))

        def one_host(indices: list[int]) -> None:
            for i in indices:
                want = wants[i]
                if want.version and later and not fetcher.cache.entry(want.url.key):
                    results[i] = want.remote
                    continue
                try:
                    results[i] = fetcher.download(
                        want.url, robots=want.robots, authorization=want.authorization, sha256=want.sha256,
                        later=later and alone and not want.member, advance=advance,
                    )  # fmt: skip
                except Unfetchable as error:
                    results[i] = error

        pool = ThreadPoolExecutor(fetcher.config.parallel_hosts, thread_name_prefix="fetch")
        try:
            for job in [pool.submit(one_host, indices) for indices in hosts.values()]:
                job.result()
        except BaseException:
            fetcher.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return [result for result in results if result is not None]
