"""One member of a fetched .zip as a file of its own in the cache: enwik8 and text8 come like this."""

import hashlib
import zipfile
import zlib

from idiolect.corpus.remote.cache import Cache, Entry
from idiolect.corpus.remote.config import FetchConfig
from idiolect.corpus.remote.kinds import ending_of
from idiolect.corpus.remote.urls import Unfetchable
from idiolect.corpus.streams import RATIO_FLOOR
from idiolect.rundir import disk_error

BLOCK = 1 << 20


def member_of(archive: Entry, member: str, config: FetchConfig, cache: Cache) -> Entry:
    """The member, unpacked once; its CRC is checked, and what its header says of its size is not believed.

    Raises Unfetchable when it is not there, broken, or a bomb. The name in the archive never becomes a path.
    """
    key = hashlib.sha256(f"{archive.sha256}/{member}".encode()).hexdigest()[:32]
    if held := cache.entry(key):
        return held
    with cache.lock(key):
        part = cache.part(key)
        part.begin({})
        try:
            with zipfile.ZipFile(cache.path(archive)) as unpacked, unpacked.open(member) as source:
                _copy(source, unpacked.getinfo(member).compress_size, part, config)
        except KeyError:
            raise Unfetchable(
                f"its archive holds no {member}", fix="its publisher changed it: name the file itself"
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Unfetchable(f"its archive is broken: {error}", fix="fetch it again") from None
        url = f"{archive.url}#{member}"
        ending = ending_of("", member)
        return cache.keep(key, part, url=url, ending=ending, known={}, accept=True, sha256="")


def _copy(source, packed_bytes: int, part, config: FetchConfig) -> None:
    total = 0
    with open(part.path, "wb") as out:
        while block := source.read(BLOCK):
            total += len(block)
            if total > config.max_bytes or (total > RATIO_FLOOR and total > packed_bytes * config.max_ratio):
                raise Unfetchable("its archive unpacks to more than max_bytes or max_ratio allow: a bomb")
            try:
                out.write(block)
            except OSError as error:
                raise disk_error(error, part.path) from error
