"""Shards: what goes in comes out, whoever wrote it; damage of every sort is found and named."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from idiolect.errors import DataError
from idiolect.tokenizer import shard_writer, shards
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.shard_file import HEADER, HEADER_BYTES, Header
from tests.tokenizer.tokenizer_samples import LOSSLESS, TEXTS, WILD, made

DOCUMENTS = [*WILD, *TEXTS[:9]]
BPE = LOSSLESS[1]


def written(folder: Path, shard_tokens: int = 400) -> shards.Shards:
    shards.write(made(BPE), DOCUMENTS, folder, "train", shard_tokens=shard_tokens)
    return shards.Shards(folder, "train", made(BPE))


@pytest.mark.parametrize("shard_tokens", [1, 400, 1 << 20])
def test_documents_come_back(tmp_path, shard_tokens):
    tokenizer, split = made(BPE), written(tmp_path, shard_tokens)
    assert len(split.hashes) == {1: len(DOCUMENTS), 400: len(split.hashes), 1 << 20: 1}[shard_tokens]
    assert split.n_documents == len(DOCUMENTS) and split.dtype == np.uint16
    assert split.n_bytes == sum(len(text.encode()) for text in DOCUMENTS) == split.document_bytes.sum()
    edges = [*split.document_starts.tolist(), split.n_tokens]
    for text, a, b in zip(DOCUMENTS, edges[:-1], edges[1:], strict=True):
        ids = split.ids(a, b)
        assert ids[-1] == tokenizer.end_id
        assert tokenizer.decode(ids[:-1]) == text
    split.verify()
    assert shards.verify(tmp_path) == ["train"]


def test_rows_are_slices_of_the_ring(tmp_path):
    split = written(tmp_path)
    ring = np.tile(split.ids(), 3).astype(np.int64)
    starts = np.random.default_rng(0).integers(-split.n_tokens, split.n_tokens, 50)
    for width in (1, 17, 500, split.n_tokens + 3):
        expected = [ring[s % split.n_tokens :][:width] for s in starts]
        assert np.array_equal(split.rows(starts, width), expected)


def test_any_number_of_workers_writes_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "_BATCH_CHARACTERS", 2000)
    found = set()
    for workers in (1, 2, 3, 5):
        folder = tmp_path / str(workers)
        shards.write(made(BPE), DOCUMENTS * 3, folder, "train", workers=workers, shard_tokens=1500)
        found.add(tuple((p.name, p.read_bytes()) for p in sorted(folder.iterdir())))
    assert len(found) == 1 and len(next(iter(found))) > 3


def test_a_worker_s_error_names_the_document(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, "_BATCH_CHARACTERS", 200)
    texts = [*TEXTS[:30], "half a pair: \ud83d", *TEXTS[:30]]
    for workers in (1, 2):
        with pytest.raises(DataError, match="document 30 of the split.*U\\+D83D"):
            shards.write(made(BPE), texts, tmp_path, "train", workers=workers)


def test_workers_need_no_main_guard(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from idiolect.tokenizer import build, config, shard_writer, shards\n"
        "shard_writer._BATCH_CHARACTERS = 100\n"
        "tokenizer = build.build(config.TokenizerConfig(kind='byte'), [])\n"
        f"print(shards.write(tokenizer, ['some text ' * 20] * 30, {str(tmp_path / 'out')!r}, 'train', workers=2))\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "'n_documents': 30" in result.stdout


def test_wide_vocabularies_take_four_bytes(tmp_path):
    words = [f"w{i}" for i in range(66_000)]
    options = TokenizerConfig(kind="word", vocabulary_size=70_000, min_frequency=1)
    tokenizer = build(options, [" ".join(words)])
    shards.write(tokenizer, [" ".join(words)], tmp_path, "train")
    split = shards.Shards(tmp_path, "train", tokenizer)
    assert split.dtype == np.uint32 and tokenizer.decode(split.ids()) == " ".join(words)


def test_an_empty_split_is_a_split(tmp_path):
    shards.write(made(BPE), [], tmp_path, "test")
    split = shards.Shards(tmp_path, "test", made(BPE))
    assert (split.n_tokens, split.n_documents, len(split.document_starts), len(split.ids())) == (0, 0, 0, 0)
    split.verify()


def test_every_flipped_byte_is_found(tmp_path):
    """200 of 200, in tokens, headers, indices and the list; and none where nothing was flipped."""
    written(tmp_path)
    files = [path for path in sorted(tmp_path.iterdir()) if path.stat().st_size]
    random = np.random.default_rng(0)
    found = 0
    for i in range(200):
        path = files[i % len(files)]
        data = bytearray(path.read_bytes())
        place = int(random.integers(len(data)))
        data[place] ^= int(random.integers(1, 256))
        intact = path.read_bytes()
        path.write_bytes(data)
        try:
            shards.verify(tmp_path)
        except DataError as error:
            found += path.name in error.what
        path.write_bytes(intact)
        if i % 20 == 0:
            shards.verify(tmp_path)
    assert found == 200


def rewrite(path: Path, **changes) -> None:
    data = path.read_bytes()
    header = Header.read(path)
    path.write_bytes(Header(**{**header.__dict__, **changes}).pack() + data[HEADER_BYTES:])


def relist(folder: Path, **changes) -> None:
    listed = json.loads((folder / "train.shards.json").read_text())
    listed.pop("sha256")
    (folder / "train.shards.json").write_text(shards._list_text({**listed, **changes}))


FAULTS = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-8]), "cut short"),
    "extended": (lambda p: p.write_bytes(p.read_bytes() + bytes(8)), "too long"),
    "empty": (lambda p: p.write_bytes(b""), "cut short"),
    "header only": (lambda p: p.write_bytes(p.read_bytes()[:HEADER_BYTES]), "cut short"),
    "missing": (lambda p: p.unlink(), "is missing"),
    "no shard": (lambda p: p.write_bytes(b"<!DOCTYPE html>" * 100), "not a token shard"),
    "another format": (lambda p: p.write_bytes(b"IDIOTOKS" + struct.pack("<I", 9) + p.read_bytes()[12:]), "format 9"),
    "wrong dtype": (lambda p: rewrite(p, token_bytes=4), "4 bytes"),
    "wrong count": (lambda p: rewrite(p, n_tokens=Header.read(p).n_tokens - 1), "cut short|too long|not the shard"),
    "wrong documents": (lambda p: rewrite(p, n_documents=1), "too long"),
    "other text": (lambda p: rewrite(p, n_bytes=7), "not the shard that was written"),
    "id >= vocabulary": (lambda p: rewrite(p, max_id=60_000), "token id 60000"),
    "wrong tokenizer": (lambda p: rewrite(p, tokenizer_hash="ab" * 32), "another tokenizer"),
    "swapped": (lambda p: p.write_bytes(p.with_name("train-00001.tokens").read_bytes()), "not the shard"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_structural_faults_are_named_at_opening(tmp_path, fault):
    written(tmp_path)
    damage, message = FAULTS[fault]
    path = tmp_path / "train-00000.tokens"
    damage(path)
    with pytest.raises(DataError, match=message) as error:
        shards.Shards(tmp_path, "train", made(BPE))
    assert "train-00000.tokens" in error.value.what and error.value.fix


def test_faults_of_the_list_are_named(tmp_path):
    path = tmp_path / "train.shards.json"
    with pytest.raises(DataError, match=r"train\.shards\.json is missing"):
        shards.Shards(tmp_path, "train")
    with pytest.raises(DataError, match="has no token shards"):
        shards.verify(tmp_path)
    written(tmp_path)
    intact = path.read_text()
    for broken in ("", "{", "[]", "{}", intact.replace(":", ": ", 1), intact[:-1]):
        path.write_text(broken)
        with pytest.raises(DataError, match=r"train\.shards\.json"):
            shards.Shards(tmp_path, "train")


def test_another_tokenizer_is_refused(tmp_path):
    written(tmp_path)
    with pytest.raises(DataError, match="another tokenizer"):
        shards.Shards(tmp_path, "train", made(LOSSLESS[0]))


def test_an_id_outside_the_vocabulary_is_named_with_its_place(tmp_path):
    split = written(tmp_path)
    path = tmp_path / "train-00000.tokens"
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 2 * 5 : HEADER_BYTES + 2 * 6] = struct.pack("<H", 65_000)
    path.write_bytes(data)
    split = shards.Shards(tmp_path, "train", made(BPE))  # headers are whole: opening is not the place to read it all
    for find in (split.verify, lambda: split.rows(np.array([0]), 20)):
        with pytest.raises(DataError, match=r"train-00000\.tokens has the token id 65000 at token 5"):
            find()


def test_boundaries_that_do_not_match_the_tokens_are_found(tmp_path):
    """Even when the file's SHA-256 was made to fit."""
    written(tmp_path, 1 << 20)
    path = tmp_path / "train-00000.tokens"
    data = bytearray(path.read_bytes())
    at = Header.read(path).documents_at + 8
    data[at : at + 8] = struct.pack("<Q", struct.unpack("<Q", data[at : at + 8])[0] + 1)
    path.write_bytes(data)
    entry = json.loads((tmp_path / "train.shards.json").read_text())["shards"][0]
    relist(tmp_path, shards=[{**entry, "sha256": shards.hashlib.sha256(data).hexdigest()}])
    with pytest.raises(DataError, match="document boundaries"):
        shards.verify(tmp_path)


def test_the_header_fits():
    assert HEADER.size <= HEADER_BYTES


def test_a_text_made_easier_counts_with_its_original_bytes(tmp_path):
    for workers in (1, 2):
        out = tmp_path / str(workers)
        shards.write(made(BPE), DOCUMENTS, out, "train", workers=workers, original_bytes=range(10, 10 + len(DOCUMENTS)))
        split = shards.Shards(out, "train")
        assert split.document_bytes.tolist() == list(range(10, 10 + len(DOCUMENTS)))
        assert split.n_bytes == split.document_bytes.sum()


def test_sources_are_kept_and_the_format_without_them_is_still_read(tmp_path):
    names = [f"source {n % 3}" for n in range(len(DOCUMENTS))]
    shards.write(made(BPE), DOCUMENTS, tmp_path, "train", sources=names)
    split = shards.Shards(tmp_path, "train", made(BPE))
    assert [split.sources[number] for number in split.document_sources] == names
    # Format 1: no third column, no names in the list.
    path, listed = tmp_path / "train-00000.tokens", dict(split.listed)
    content = bytearray(path.read_bytes()[: -8 * len(DOCUMENTS)])
    content[8:12] = struct.pack("<I", 1)
    path.write_bytes(content)
    listed["shards"] = [listed["shards"][0] | {"sha256": hashlib.sha256(content).hexdigest()}]
    del listed["sources"]
    (tmp_path / "train.shards.json").write_text(shards._list_text(listed))
    old = shards.Shards(tmp_path, "train", made(BPE))
    old.verify()
    assert old.sources == ("",) and not old.document_sources.any()
    assert np.array_equal(old.ids(), split.ids()) and np.array_equal(old.document_starts, split.document_starts)
