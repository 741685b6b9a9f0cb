"""Gaps: the likeliest token by hand, the surest first, and texts written by unmasking, the same for the same seed."""

import math

import pytest
import torch

from idiolect.errors import NumericsError, RecipeError
from idiolect.generate import GenerateConfig
from idiolect.generate.chat import chat
from idiolect.generate.decode import generate
from idiolect.generate.fill import BLOCK, MASK, fill, has_gaps, mask_ids
from idiolect.models.config import BertConfig, GPTConfig
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from tests.generate.conftest import lively

SIZES = dict(context_length=32, n_layers=2, d_model=32, n_heads=4)
V = 260  # bytes, three specials, the mask
ONE = GenerateConfig()


@pytest.fixture(scope="module", params=[{}, {"norm_at": "after", "positions": "learned", "bias": True}])
def bert(request):
    return lively(BertConfig(**SIZES, **request.param), vocabulary_size=V)


def probabilities(model, ids, place):
    """Of the 256 bytes at a place, nothing else allowed."""
    with torch.no_grad():
        return model.head(model(torch.tensor([ids]))[0])[0, place, :256].softmax(-1)


def test_candidates_and_the_likeliest_by_hand(bert, tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "token_text", lambda self, i: chr(i), raising=False)
    text = f"to be or{MASK} not"
    ids, places = mask_ids(bert, tokenizer, text)
    assert places == [8] and ids[8] == V - 1 and len(ids) == 13
    p_V = probabilities(bert, ids, 8)
    filled = fill(bert, tokenizer, [text], ONE, n_candidates=4)[0]
    best = p_V.topk(4)
    assert [token for token, _ in filled.gaps[0].candidates] == [chr(i) for i in best.indices]
    assert [p for _, p in filled.gaps[0].candidates] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert filled.gaps[0].filled == chr(best.indices[0])
    assert filled.text == tokenizer.decode([*ids[:8], int(best.indices[0]), *ids[9:]])


def test_the_surest_gap_is_filled_first_and_the_others_read_it(bert, tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "token_text", lambda self, i: chr(i), raising=False)
    text = f"ab{MASK}{MASK} cd {MASK}"
    ids, places = mask_ids(bert, tokenizer, text)
    remaining = list(places)
    with torch.no_grad():
        while remaining:
            logits = bert.head(bert(torch.tensor([ids]))[0])[0]
            nats = {p: float(logits[p].logsumexp(-1) - logits[p, :256].max()) for p in remaining}
            # After each round the surest guesses stay.
            surest = min(remaining, key=nats.get)
            ids[surest] = int(logits[surest, :256].argmax())
            remaining.remove(surest)
    assert fill(bert, tokenizer, [text], ONE)[0].text == tokenizer.decode(ids)


def test_a_gap_far_from_the_beginning_of_a_long_text(bert, tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "token_text", lambda self, i: chr(i), raising=False)
    text = "x" * 100 + MASK + "yz" * 50
    ids, (place,) = mask_ids(bert, tokenizer, text)
    start = place - 16
    p_V = probabilities(bert, ids[start : start + 32], 16)
    found = fill(bert, tokenizer, [text], ONE)[0].gaps[0].candidates[0]
    assert found == (chr(int(p_V.argmax())), pytest.approx(float(p_V.max()), abs=1e-5))


@pytest.mark.parametrize(
    "config", [GenerateConfig(max_tokens=50, samples=2, seed=7), GenerateConfig(max_tokens=50, greedy=True)]
)
def test_writing_is_a_function_of_prompt_and_seed(bert, tokenizer, config):
    prompts = ["Once upon a time", "", "x", "The quick brown fox jumps over the lazy dog, and over the next one too."]
    together = generate(bert, tokenizer, prompts, config)
    assert [len(text.token_ids) for text in together] == [50] * len(prompts) * config.samples
    assert {text.finish for text in together} == {"length"}
    # Nothing but text is ever written: no mask, no end, no padding.
    assert all(0 <= i < 256 for text in together for i in text.token_ids)
    alone = [text for prompt in prompts for text in generate(bert, tokenizer, [prompt], config)]
    assert [text.token_ids for text in alone] == [text.token_ids for text in together]
    if not config.greedy:
        assert together[0].token_ids != together[1].token_ids
        other = generate(bert, tokenizer, prompts[:1], config.model_copy(update={"seed": 8}))
        assert other[0].token_ids != together[0].token_ids
    assert all(math.isfinite(nats) for text in together for nats in text.nats)


def test_a_block_is_unmasked_in_rounds(bert, tokenizer):
    """Greedy, one block: mask-predict by hand."""
    ids = tokenizer.encode("Once upon").tolist()
    places = list(range(len(ids), len(ids) + BLOCK))
    text, nats = ids + [V - 1] * BLOCK, {}
    with torch.no_grad():
        for left in [BLOCK * (8 - done) // 8 for done in range(1, 9)]:
            logits = bert.head(bert(torch.tensor([text]))[0])[0]
            for place in [p for p in places if text[p] == V - 1]:
                text[place] = int(logits[place, :256].argmax())
                nats[place] = float(logits[place].logsumexp(-1) - logits[place, text[place]])
            for place in sorted(places, key=lambda p: -nats[p])[:left]:
                text[place] = V - 1
    found = generate(bert, tokenizer, ["Once upon"], GenerateConfig(greedy=True, max_tokens=BLOCK))[0]
    assert found.token_ids == text[len(ids) :]


def test_stop_strings_streaming_and_cancelling(bert, tokenizer):
    whole = generate(bert, tokenizer, ["ab"], GenerateConfig(max_tokens=60, greedy=True))[0].text
    stop = whole[20:22]
    pieces = []
    config = GenerateConfig(max_tokens=60, greedy=True, stop=(stop,))
    found = generate(bert, tokenizer, ["ab"], config, lambda _, piece: pieces.append(piece))[0]
    assert found.finish == "stop" and found.text == whole[: whole.index(stop)] == "".join(pieces)
    endless = GenerateConfig(max_tokens=60, greedy=True)
    assert generate(bert, tokenizer, ["ab"], endless, lambda _, piece: False)[0].finish == "cancelled"


def test_repetition_is_penalised(bert, tokenizer):
    plain = generate(bert, tokenizer, ["ab"], GenerateConfig(max_tokens=60, greedy=True))[0]
    varied = generate(bert, tokenizer, ["ab"], GenerateConfig(max_tokens=60, greedy=True, repetition_penalty=5.0))[0]
    assert len(set(varied.token_ids)) > len(set(plain.token_ids))


@pytest.mark.parametrize(
    "kind, before", [("bpe", "the"), ("word", "the"), ("unigram", "the"), ("character", "the "), ("byte", "the ")]
)
def test_the_space_before_a_word_is_hidden_with_it(kind, before, bert):
    texts = ["the cat sat on the mat and the dog sat, too\n"] * 20
    tokenizer = build(TokenizerConfig(kind=kind, vocabulary_size=300), iter(texts))
    ids, (place,) = mask_ids(bert, tokenizer, f"the {MASK} sat")
    assert tokenizer.decode(ids[:place]) == before and tokenizer.decode(ids[place + 1 :]) == " sat"


def test_only_readers_of_both_sides_see_gaps(bert, tokenizer):
    left = lively(GPTConfig(**SIZES))
    assert has_gaps(bert, f"a {MASK}") and not has_gaps(bert, "a") and not has_gaps(left, f"a {MASK}")


def test_chat_is_refused_with_what_to_do(bert, tokenizer):
    with pytest.raises(RecipeError) as caught:
        chat(bert, tokenizer, ONE)
    assert MASK in caught.value.fix


def test_broken_weights_are_an_error(tokenizer):
    broken = lively(BertConfig(**SIZES), vocabulary_size=V)
    with torch.no_grad():
        broken.embed.weight[ord("a")] = torch.nan
    with pytest.raises(NumericsError):
        fill(broken, tokenizer, [f"a{MASK}"], ONE)
