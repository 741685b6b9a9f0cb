"""Streaming shows whole characters only, never a part of a stop string, and does not depend on the cut into tokens."""

import random

import pytest

from idiolect.generate.stream import CharactersFromBytes, StopStrings, TextStream


class BytesTokenizer:
    """Ids are positions in a list of byte strings: any cut of any bytes."""

    def __init__(self, pieces):
        self.pieces = pieces

    def decode_bytes(self, ids):
        return b"".join(self.pieces[i] for i in ids)


def cut(data, rng):
    pieces, at = [], 0
    while at < len(data):
        n = rng.choice([1, 1, 1, 2, 3, 5, 8])
        pieces.append(data[at : at + n])
        at += n
    return pieces


def streamed(pieces, stop=()):
    stream = TextStream(CharactersFromBytes(BytesTokenizer(pieces)), stop)
    shown = []
    for token_id in range(len(pieces)):
        shown.append(stream.push(token_id))
        if stream.reached_stop:
            break
    shown.append(stream.finish())
    assert "".join(shown) == stream.text
    return stream, shown


TEXTS = ["plain", "naïve café — ☕", "日本語のテキスト", "👩‍👩‍👧‍👦 family 🇫🇷", "a\u0301 e\u0301", "", "\x00\r\n\t"]


@pytest.mark.parametrize("text", TEXTS)
def test_every_cut_of_the_bytes_gives_the_same_text_and_no_half_character(text):
    rng = random.Random(0)
    for _ in range(50):
        stream, shown = streamed(cut(text.encode(), rng))
        assert stream.text == text
        assert not any("\ufffd" in piece for piece in shown)


def test_a_character_is_held_back_until_it_is_whole():
    _, shown = streamed([b"a", b"\xf0\x9f", b"\x98", b"\x80", b"b"])
    assert shown == ["a", "", "", "\U0001f600", "b", ""]


def test_bytes_that_are_no_text_look_as_python_would_show_them():
    rng = random.Random(1)
    for _ in range(300):
        data = bytes(rng.choice(b"A\x80\xc3\xa9\xe2\x98\xf0\x9f\xff") for _ in range(rng.randrange(12)))
        stream, _ = streamed(cut(data, rng))
        assert stream.text == data.decode("utf-8", errors="replace")


def first_to_end(text, stop):
    """The rule, character by character: the first stop string to be complete ends the text before its start."""
    for end in range(1, len(text) + 1):
        starts = [end - len(s) for s in stop if text[:end].endswith(s)]
        if starts:
            return text[: min(starts)]
    return text


def test_stop_strings_never_leak_however_the_text_is_cut():
    rng = random.Random(2)
    for _ in range(3000):
        text = "".join(rng.choice("abé") for _ in range(rng.randrange(24)))
        stop = ["".join(rng.choice("abé") for _ in range(rng.randrange(1, 5))) for _ in range(rng.randrange(4))]
        stream, shown = streamed(cut(text.encode(), rng), stop)
        assert stream.text == first_to_end(text, stop)
        assert stream.reached_stop == any(s in text for s in stop)


def test_text_is_held_back_only_as_long_as_it_may_become_a_stop_string():
    stops = StopStrings(["\nUser:"])
    shown = [stops.push(piece) for piece in ["Yes.", "\n", "Us", "ual", "ly\nUser", ":x"]]
    assert shown == ["Yes.", "", "", "\nUsual", "ly", ""]
    assert stops.reached and stops.push("more") == "" and stops.finish() == ""


def test_what_was_held_back_is_shown_at_the_end():
    stops = StopStrings(["<end>"])
    assert stops.push("a <en") == "a " and stops.finish() == "<en" and not stops.reached
