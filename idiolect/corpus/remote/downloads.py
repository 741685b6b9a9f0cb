"""Every file that a name leads to, fetched into the cache: hosts at once, each its files in turn; or left for later."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from idiolect.corpus.remote.cache import Entry
from idiolect.corpus.remote.fetch import Fetcher
from idiolect.corpus.remote.local import Remote, Want
from idiolect.corpus.remote.ranges import receive_rest, source_of
from idiolect.corpus.remote.stores import key_of
from idiolect.corpus.remote.urls import Unfetchable
from idiolect.progress import Progress


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


def fetch_stored(remotes: Sequence[Remote], fetcher: Fetcher, progress: Progress) -> list[Entry | Remote]:
    """Every file of a store, in order; with `fetch.disk_bytes` what is not here stays there until it is read."""
    if fetcher.config.disk_bytes:
        return [fetcher.cache.entry(key_of(remote.address)) or remote for remote in remotes]
    with progress.bar("fetching", sum(remote.n_bytes for remote in remotes) / 1e6 or None, "MB") as bar:
        return [_fetch_stored(remote, fetcher, lambda n: bar.advance(n / 1e6)) for remote in remotes]


def _fetch_stored(remote: Remote, fetcher: Fetcher, advance: Callable[[int], None]) -> Entry:
    """One file into the cache, going on where an earlier attempt at the same version stopped."""
    cache, refresh, key = fetcher.cache, fetcher.config.refresh, key_of(remote.address)
    with cache.lock(key):
        held = cache.entry(key)
        if held and (refresh == "never" or (refresh == "changed" and held.etag == remote.version)):
            return held
        part, known = cache.part(key), {"etag": remote.version}
        if part.known() != known:
            part.begin(known)
        receive_rest(source_of(remote, fetcher), part.path, remote.n_bytes, fetcher, advance)
        return cache.keep(
            key, part, url=remote.address, ending=remote.ending, known=known, accept=refresh != "never", sha256=""
        )
