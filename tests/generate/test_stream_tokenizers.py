"""Every kind of tokenizer: the streamed text is the text that decoding all at once gives."""

import random

import pytest

from idiolect.generate.stream import TextStream, characters_of
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

TEXTS = [
    "The quick brown fox jumps over the lazy dog. Isn't it? Yes, it is!\n",
    "Grüße aus München: 42 Straßen, 1,000 Häuser! naïve café 😀 日本\n",
    "def f(x):\n    return x ** 2  # square\n\n",
] * 6  # fmt: skip
KINDS = ["bpe", "unigram", "wordpiece", "word", "character", "byte", "file"]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request, tmp_path_factory):
    if request.param != "file":
        return build(TokenizerConfig(kind=request.param, vocabulary_size=320), iter(TEXTS))
    folder = tmp_path_factory.mktemp("file")
    build(TokenizerConfig(kind="wordpiece", vocabulary_size=320), iter(TEXTS)).save(folder)
    return build(TokenizerConfig(kind="file", path=str(folder / "tokenizer.json")), iter(()))


def streamed(tokenizer, prompt_ids, ids):
    stream = TextStream(characters_of(tokenizer, prompt_ids), ())
    pieces = [stream.push(i) for i in ids] + [stream.finish()]
    assert "".join(pieces) == stream.text
    return stream.text, pieces


def test_streaming_gives_what_decoding_gives(tokenizer):
    for text in TEXTS[:3]:
        ids = tokenizer.encode(text).tolist()
        for n_prompt in (1, len(ids) // 2):
            before, after = ids[:n_prompt], ids[n_prompt:]
            shown, pieces = streamed(tokenizer, before, after)
            assert tokenizer.decode(before) + shown == tokenizer.decode(ids)
            # It appears while it is written, not all at the end.
            assert sum(map(bool, pieces[:-1])) >= len(after) // 8


def test_any_ids_a_model_may_draw_stream_to_their_text(tokenizer):
    rng = random.Random(0)
    drawable = [i for i in range(tokenizer.vocabulary_size) if tokenizer.bytes_per_token[i]]
    for _ in range(40):
        ids = rng.choices(drawable, k=40)
        shown, _ = streamed(tokenizer, ids[:1], ids[1:])
        whole = tokenizer.decode(ids)
        if tokenizer.kind in ("wordpiece", "file"):
            assert tokenizer.decode(ids[:1]) + shown == whole
        else:  # a character may be cut between the prompt and the text
            assert shown == tokenizer.decode(ids[1:])
