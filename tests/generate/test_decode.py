"""Decoding against the plain loop it replaces: read the whole window again for every token, one row at a time."""

import math

import pytest
import torch

from idiolect.errors import NumericsError
from idiolect.generate import GenerateConfig
from idiolect.generate.decode import generate
from idiolect.generate.row import window_start

GREEDY = GenerateConfig(greedy=True, max_tokens=100)
PROMPTS = ["Once upon a time", "", "x", "The quick brown fox jumps over the lazy dog, and over the next one too.", "ab"]


def uncached(model, ids, n_new, forbidden=(257, 258, 259, 260, 261, 262, 263)):
    """Greedy continuation without a cache; ids and the logits before each."""
    ids, logits = list(ids), []
    with torch.inference_mode():
        for _ in range(n_new):
            window = ids[window_start(len(ids), model.context_length) :]
            hidden_1TD, _ = model(torch.tensor([window]))
            logits.append(model.head(hidden_1TD[0, -1]))
            ids.append(int(logits[-1].index_fill(0, torch.tensor(forbidden), -math.inf).argmax()))
            if ids[-1] == 256:
                break
    return ids, logits


def test_cached_equals_uncached_token_for_token_and_in_its_logits(any_model, tokenizer):
    """100 tokens through a context of 32: the window moves four times on the way."""
    for result, prompt in zip(generate(any_model, tokenizer, PROMPTS, GREEDY), PROMPTS, strict=True):
        ids, logits = uncached(any_model, tokenizer.encode(prompt).tolist() or [256], 100)
        assert result.token_ids == ids[result.n_prompt_tokens :]
        expected = [float(-row.log_softmax(-1)[i]) for row, i in zip(logits, result.token_ids, strict=True)]
        torch.testing.assert_close(torch.tensor(result.nats), torch.tensor(expected), rtol=0, atol=1e-5)


def test_cached_logits_are_the_uncached_ones(any_model):
    model = any_model
    tokens_BT = torch.randint(0, 256, (3, 32), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        whole_BTV = model.head(model(tokens_BT)[0])
        cache, pieces = model.new_cache(3), []
        for first, last in [(0, 5), (5, 6), (6, 7), (7, 20), *((i, i + 1) for i in range(20, 32))]:
            hidden_BTD, cache = model(tokens_BT[:, first:last], cache)
            pieces.append(model.head(hidden_BTD))
    torch.testing.assert_close(torch.cat(pieces, 1), whole_BTV, rtol=0, atol=1e-5)


SAMPLED = [
    GenerateConfig(max_tokens=50, samples=2, seed=7),
    GenerateConfig(max_tokens=50, top_k=20, top_p=0.9, repetition_penalty=1.2, stop=("e", "qu")),
]


@pytest.mark.parametrize("config", [GREEDY, *SAMPLED], ids=["greedy", "plain", "filters"])
def test_a_text_does_not_depend_on_its_neighbours_in_the_batch(config, model, tokenizer):
    together = generate(model, tokenizer, PROMPTS, config)
    for prompt in range(len(PROMPTS)):
        alone = generate(model, tokenizer, [PROMPTS[prompt]], config)
        ours = [result for result in together if result.prompt == prompt]
        assert [r.token_ids for r in ours] == [r.token_ids for r in alone]
        assert [r.text for r in ours] == [r.text for r in alone]
    small = generate(model, tokenizer, PROMPTS, config.model_copy(update={"batch_rows": 2}))
    assert [r.token_ids for r in small] == [r.token_ids for r in together]


def test_seed_and_sample_and_prompt_each_change_the_text(model, tokenizer):
    config = GenerateConfig(max_tokens=30, samples=3, seed=1)
    first = generate(model, tokenizer, ["ab", "cd"], config)
    again = generate(model, tokenizer, ["ab", "cd"], config)
    other = generate(model, tokenizer, ["ab", "cd"], config.model_copy(update={"seed": 2}))
    assert [r.token_ids for r in first] == [r.token_ids for r in again]
    texts = [tuple(r.token_ids) for r in first + other]
    assert len(set(texts)) == len(texts)
    assert [(r.prompt, r.sample) for r in first] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_generation_neither_reads_nor_moves_the_global_random_state(model, tokenizer):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = generate(model, tokenizer, ["a"], SAMPLED[0])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert [r.token_ids for r in generate(model, tokenizer, ["a"], SAMPLED[0])] == [r.token_ids for r in first]


HOT = GenerateConfig(temperature=100, max_tokens=400, min_p=0, stop_at_end=False)


@pytest.mark.parametrize("config", [GREEDY, HOT], ids=["greedy", "hot"])
def test_pad_and_reserved_ids_are_never_drawn(config, model, tokenizer):
    with torch.no_grad():
        model.embed.weight[257:] *= 50  # the model would like nothing better
    drawn = {i for r in generate(model, tokenizer, PROMPTS, config) for i in r.token_ids}
    assert max(drawn) <= (256 if config.stop_at_end else 255)


class Scripted(torch.nn.Module):
    """Continues any text with the bytes of a script, then the end."""

    reads = "left"

    def __init__(self, script, context_length=64):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.script, self.vocabulary_size, self.context_length = [*script, 256], 259, context_length

    def new_cache(self, n_rows, capacity=0):
        return ScriptedCache([0] * n_rows)

    def forward(self, tokens_BT, cache):
        held_BT = torch.tensor(cache.lengths).unsqueeze(-1) + torch.arange(tokens_BT.shape[1])
        cache.lengths = [n + tokens_BT.shape[1] for n in cache.lengths]
        return held_BT.unsqueeze(-1), cache

    def head(self, hidden):
        # The prompt is one token, so what stands at place n of the text is n of the script.
        ids = torch.tensor(self.script)[hidden[..., 0].clamp(max=len(self.script) - 1)]
        return torch.nn.functional.one_hot(ids, 259) * 50.0


class ScriptedCache:
    def __init__(self, lengths):
        self.lengths = lengths

    def set_lengths(self, lengths_B):
        self.lengths = lengths_B.tolist()

    def select(self, rows_B):
        return ScriptedCache([self.lengths[i] for i in rows_B.tolist()])


def told(script, tokenizer, **settings):
    shown = []
    config = GenerateConfig(greedy=True, max_tokens=60, **settings)
    result = generate(Scripted(script), tokenizer, ["."], config, lambda _, piece: shown.append(piece))[0]
    assert "".join(shown) == result.text
    return result, shown


def test_the_end_of_the_document_ends_the_text(tokenizer):
    result, _ = told("Grüße".encode(), tokenizer)
    assert (result.text, result.finish, result.token_ids[-1]) == ("Grüße", "end", 256)
    assert len(result.nats) == len(result.token_ids) and result.mean_nats < 1e-6 and result.tokens_per_second > 0


def test_a_stop_string_over_several_tokens_ends_the_text_and_never_shows(tokenizer):
    result, shown = told(b"One.\nUsually two.\nUser: three", tokenizer, stop=("\nUser:",))
    assert (result.text, result.finish) == ("One.\nUsually two.", "stop")
    assert not any("User:" in "".join(shown[:n]) for n in range(len(shown) + 1))


def test_characters_split_over_tokens_are_shown_whole(tokenizer):
    result, shown = told("a☕b😀".encode(), tokenizer)
    assert shown == ["a", "☕", "b", "😀"] and result.finish == "end"


def test_the_length_cuts_a_character_visibly(tokenizer):
    config = GenerateConfig(greedy=True, max_tokens=2)
    result = generate(Scripted("a☕".encode()), tokenizer, ["."], config)[0]
    assert (result.text, result.finish) == ("a\ufffd", "length")


def test_a_listener_can_end_one_text_and_not_the_other(model, tokenizer):
    config = GREEDY.model_copy(update={"stop_at_end": False})
    first, second = generate(model, tokenizer, ["a", "b"], config, lambda number, piece: number != 0)
    assert first.finish == "cancelled" and len(first.token_ids) < 10
    assert second.finish == "length" and len(second.token_ids) == 100


def test_logits_that_are_no_numbers_are_an_error_and_the_mode_is_restored(model, tokenizer):
    model.train()
    with torch.no_grad():
        model.final_norm.weight[0] = math.nan
    for config in (GREEDY, *SAMPLED):
        with pytest.raises(NumericsError, match="not numbers"):
            generate(model, tokenizer, ["a"], config)
    assert model.training


def test_the_window_keeps_the_last_half_and_is_never_overfull():
    assert [window_start(n, 4) for n in range(1, 10)] == [0, 0, 0, 0, 2, 2, 4, 4, 6]
    for context_length in (1, 2, 5, 32):
        for n_tokens in range(1, 200):
            held = n_tokens - window_start(n_tokens, context_length)
            assert min(n_tokens, max(1, context_length // 2)) <= held <= context_length


def test_no_prompts_give_no_texts(model, tokenizer):
    assert generate(model, tokenizer, [], GREEDY) == []
