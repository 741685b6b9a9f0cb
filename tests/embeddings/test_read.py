"""Files of vectors: real ones against an independent reader, and hostile ones."""

import gzip
import pickle
import tracemalloc

import numpy as np
import pytest

from idiolect.embeddings.read import LONGEST_LINE, detect, read_vectors
from idiolect.errors import DataError, UnsafeError
from tests.embeddings.conftest import as_binary, as_text, vectors

WORDS = ["the", "King", "naïve", "東京", "42"]
ROWS = vectors(5)
FORMATS = {
    "word2vec_text": as_text(WORDS, ROWS, header=True),
    "glove": as_text(WORDS, ROWS, header=False),
    "word2vec_binary": as_binary(WORDS, ROWS),
}


@pytest.fixture
def write(tmp_path):
    def write(data: bytes, name: str = "vectors"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_the_same_vectors(write, format, packed):
    data = FORMATS[format]
    found = read_vectors(write(gzip.compress(data) if packed else data), {*WORDS, "absent"})
    assert found.format == format and found.words == WORDS
    np.testing.assert_array_equal(found.vectors_NW, ROWS)
    assert found.figures == {
        "rows": 5, "malformed": 0, "missing": 0, "not_finite": 0, "duplicates": 0, "not_utf8": 0
    }  # fmt: skip


def test_binary_without_line_ends_is_read_too(write):
    found = read_vectors(write(as_binary(WORDS, ROWS, line_ends=False)), set(WORDS))
    np.testing.assert_array_equal(found.vectors_NW, ROWS)


def test_fasttext_is_word2vec_text_and_windows_line_ends_change_nothing(write):
    data = FORMATS["word2vec_text"].replace(b"\n", b" \r\n")
    np.testing.assert_array_equal(read_vectors(write(data), set(WORDS), "fasttext").vectors_NW, ROWS)


def test_only_what_is_wanted_is_kept(write):
    n, width = 60_000, 50
    words = [f"w{i}" for i in range(n)]
    path = write(as_binary(words, vectors(n, width)))
    tracemalloc.start()
    found = read_vectors(path, {"w7", "w59999"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.words == ["w7", "w59999"] and found.vectors_NW.shape == (2, width)
    # The file has 12 MB; buffers of a megabyte may be held.
    assert peak < 6e6


def test_words_with_spaces_keep_their_numbers(write):
    data = as_text(["the", ". . .", "New York"], ROWS[:3], header=False)
    found = read_vectors(write(data), {"the", ". . .", "New York"})
    assert found.words == ["the", ". . .", "New York"]
    np.testing.assert_array_equal(found.vectors_NW, ROWS[:3])


def test_of_a_word_that_stands_twice_the_first_counts(write):
    found = read_vectors(write(as_text(["a", "b", "a"], ROWS[:3], header=True)), {"a", "b"})
    np.testing.assert_array_equal(found.vectors_NW, ROWS[:2])
    assert found.figures["duplicates"] == 1


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "1e39"])
def test_numbers_that_are_not_finite_are_passed_over(write, number):
    data = as_text([f"w{i}" for i in range(20)], vectors(20), header=False) + f"bad 1 {number} 3 4\n".encode()
    found = read_vectors(write(data), {"w3", "bad"})
    assert found.words == ["w3"] and found.figures["not_finite"] == 1


def test_nan_in_a_binary_file_is_passed_over(write):
    rows = ROWS.copy()
    rows[1, 2] = np.nan
    found = read_vectors(write(as_binary(WORDS, rows)), set(WORDS))
    assert "King" not in found.words and found.figures["not_finite"] == 1


@pytest.mark.parametrize(
    "line", [b"short 1 2 3\n", b"word 1 2 x 4\n", b"word 1 2 3 4x\n", b"a b c d e f g\n", b"1 2 3 4\n", b"word 1 2"]
)
def test_a_malformed_line_is_counted_and_passed_over(write, line):
    words = [f"w{i}" for i in range(20)]
    found = read_vectors(write(as_text(words, vectors(20), header=False) + line), {*words, "word", "short"})
    assert found.words == words and found.figures["malformed"] == 1


def test_bytes_that_are_not_utf8_are_counted(write):
    for data in (FORMATS["word2vec_text"], FORMATS["word2vec_binary"]):
        found = read_vectors(write(data.replace("naïve".encode(), "naïve".encode("latin-1"))), set(WORDS))
        assert found.figures["not_utf8"] == 1 and len(found.words) == 4


def test_a_text_file_with_fewer_rows_than_promised_says_so(write):
    found = read_vectors(write(FORMATS["word2vec_text"].replace(b"5 4\n", b"90 4\n")), set(WORDS))
    assert found.figures["missing"] == 85 and len(found.words) == 5


@pytest.mark.parametrize("cut", [2, 9, 30, 60])
def test_a_cut_binary_file_is_refused(write, cut):
    with pytest.raises(DataError, match="cut off") as caught:
        read_vectors(write(FORMATS["word2vec_binary"][:-cut]), set(WORDS), "word2vec_binary")
    assert "of the 5" in caught.value.why and caught.value.fix


def test_a_cut_gzip_file_is_refused(write):
    with pytest.raises(DataError, match="cut off"):
        read_vectors(write(gzip.compress(FORMATS["glove"])[:-12]), set(WORDS))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", b"5\n", b"hello world\n", b"99999999999999999999 4\nthe 1 2 3 4\n", b"5 0\nthe\n",
        b"5 99999999\nthe 1 2\n", b"5 -4\nthe 1 2\n", b"PK\x03\x04rest", b"\x93NUMPY\x01\x00", b"\x00" * 500,
        b"the quick brown fox\njumps over\n", b"word 1 2 3\n" + b"one two\n" * 50,
        b"word 1 2 3\n" + b"x" * (LONGEST_LINE + 5), b"3 4\n" + b"x" * 9000,
    ],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_what_holds_no_vectors_is_refused_in_three_parts(write, data):
    with pytest.raises(DataError) as caught:
        read_vectors(write(data), {"the", "word"})
    assert caught.value.what and caught.value.why and caught.value.fix


def test_a_header_that_promises_too_much_allocates_nothing(write):
    path = write(b"999999999999 60000\nthe " + b"\x00" * 100)
    tracemalloc.start()
    with pytest.raises(DataError, match="cut off"):
        read_vectors(path, {"the"}, "word2vec_binary")
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_a_pickle_is_refused_unread(write):
    with pytest.raises(UnsafeError):
        read_vectors(write(pickle.dumps({"the": [1.0]})), {"the"})


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(DataError):
            read_vectors(path, {"the"})


def test_formats_are_told_apart(tmp_path):
    assert {name: detect(tmp_path, data) for name, data in FORMATS.items()} == {name: name for name in FORMATS}


def test_random_bytes_never_crash_the_reader(write):
    chance = np.random.default_rng(3)
    seeds = [*FORMATS.values()]
    for trial in range(300):
        data = bytearray(seeds[trial % 3])
        for _ in range(int(chance.integers(1, 6))):
            data[int(chance.integers(len(data)))] = int(chance.integers(256))
        try:
            found = read_vectors(write(bytes(data[: int(chance.integers(1, len(data) + 1))])), set(WORDS))
        except (DataError, UnsafeError) as error:
            assert error.why and error.fix
        else:
            assert np.isfinite(found.vectors_NW).all() and len(found.words) == len(found.vectors_NW)


REAL = {
    "glove.twitter.25d.top12k.txt": ("glove", 11_925, 25), "test_glove.txt": ("glove", 76, 50),
    "word2vec_pre_kv_c": ("word2vec_text", 1750, 10), "euclidean_vectors.bin": ("word2vec_binary", 2747, 10),
    "lee_fasttext.vec": ("word2vec_text", 1762, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_files_read_as_gensim_reads_them(real, name):
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    format, n_rows, width = REAL[name]
    theirs = keyed.load_word2vec_format(
        real / name, binary=format == "word2vec_binary", no_header=format == "glove", unicode_errors="ignore"
    )
    ours = read_vectors(real / name, set(theirs.index_to_key))
    assert (ours.format, ours.figures["rows"], ours.vectors_NW.shape[1]) == (format, n_rows, width)
    assert set(ours.words) == set(theirs.index_to_key)
    np.testing.assert_allclose(ours.vectors_NW, theirs[ours.words], atol=1e-6)


def test_a_packed_fasttext_file_of_reviews_is_read(real):
    found = read_vectors(real / "pang_lee_polarity_fasttext.vec.gz", {"the", "film"})
    assert found.vectors_NW.shape == (2, 100) and found.figures["not_utf8"] == 5


def test_a_whole_fasttext_model_names_the_file_to_take(real):
    with pytest.raises(DataError, match="whole fastText model") as caught:
        read_vectors(real / "lee_fasttext_new.bin", {"the"})
    assert "lee_fasttext_new.vec" in caught.value.fix and "--embeddings.source" not in caught.value.fix, (
        "it isn't there"
    )


def test_a_whole_fasttext_model_beside_its_words_is_answered_with_their_file(tmp_path):
    (tmp_path / "mine.bin").write_bytes(b"\xba\x16\x4f\x2f" + bytes(60))
    (tmp_path / "mine.vec").write_text("1 2\na 1 2\n")
    with pytest.raises(DataError, match="whole fastText model") as caught:
        read_vectors(tmp_path / "mine.bin", {"a"})
    assert caught.value.fix == f"--embeddings.source={tmp_path / 'mine.vec'}"
