"""Decoding with a source: what is read, when it ends, and that no row's text depends on its neighbours."""

import pytest
import torch

from idiolect.data.config import DenoisingObjective, PrefixObjective, SpanCorruptionObjective
from idiolect.data.objectives.framing import build_framing
from idiolect.generate.config import GenerateConfig
from idiolect.generate.decode import generate
from idiolect.models.config import Seq2SeqConfig, T5Config
from tests.generate.conftest import lively

C, V = 24, 259
CONFIGS = {
    "t5": T5Config(context_length=C, n_layers=1, d_model=32, n_heads=4),
    "t5 rotary": T5Config(context_length=C, n_layers=1, d_model=32, n_heads=4, positions="rotary"),
    "seq2seq": Seq2SeqConfig(context_length=C, d_model=32),
    "seq2seq, bahdanau": Seq2SeqConfig(context_length=C, d_model=32, attention="bahdanau", cell="gru"),
}
OBJECTIVES = {
    "prefix": PrefixObjective(),
    "spans": SpanCorruptionObjective(share=0.4),
    "denoising": DenoisingObjective(),
}
PROMPTS = ["", "a", "To be, or not", "that is the question: whether 'tis nobler in the mind to suffer", "xyz"]


@pytest.fixture(params=OBJECTIVES)
def framing(request):
    return build_framing(OBJECTIVES[request.param], C, V, 256)


def by_hand(model, tokenizer, prompt, framing, n_tokens):
    """The likeliest text, everything read anew for each token."""
    ids = tokenizer.encode(prompt).tolist() or [256]
    drawn = []
    while len(drawn) < n_tokens:
        if len(drawn) % framing.target_length == 0:
            source, tokens = torch.tensor([framing.source([*ids, *drawn])]), [*framing.start]
        logits_V = model.head(model(torch.tensor([tokens]), source_BS=source)[0])[0, -1]
        logits_V[257:] = -torch.inf
        if framing.stop_ids:
            logits_V[list(framing.stop_ids)] = model.head(model(torch.tensor([tokens]), source_BS=source)[0])[
                0, -1, list(framing.stop_ids)
            ]
        if not prompt and not drawn:  # no document is empty
            logits_V[[256, *framing.stop_ids]] = -torch.inf
        drawn.append(int(logits_V.argmax()))
        tokens.append(drawn[-1])
        if drawn[-1] in (256, *framing.stop_ids):
            break
    return drawn


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_text_is_the_one_by_hand(name, framing, tokenizer):
    """Over several windows, so that the text is framed anew."""
    model = lively(CONFIGS[name], vocabulary_size=V + 20)
    found = generate(model, tokenizer, PROMPTS, GenerateConfig(greedy=True, max_tokens=40), framing=framing)
    with torch.no_grad():
        for prompt, text in zip(PROMPTS, found, strict=True):
            assert text.token_ids == by_hand(model, tokenizer, prompt, framing, 40)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_is_the_same_alone_and_among_others(name, framing, tokenizer):
    model = lively(CONFIGS[name], vocabulary_size=V + 20)
    config = GenerateConfig(max_tokens=30, samples=2, seed=3)
    together = generate(model, tokenizer, PROMPTS, config, framing=framing)
    for number, prompt in enumerate(PROMPTS):
        alone = generate(model, tokenizer, [prompt], config, framing=framing)
        assert [text.token_ids for text in alone] == [t.token_ids for t in together[2 * number : 2 * number + 2]]
        assert alone[0].token_ids != alone[1].token_ids


def test_the_next_sentinel_ends_a_text_and_is_not_in_it(tokenizer):
    framing = build_framing(OBJECTIVES["spans"], C, V, 256)
    model = lively(CONFIGS["t5"], vocabulary_size=V + 20)
    with torch.no_grad():
        # One direction of the hidden state that always points at the sentinel.
        hidden = model(torch.tensor([framing.start]), source_BS=torch.tensor([framing.source([65])]))[0][0, -1]
        model.embed.weight[V + 1] = hidden * 1e4
    ended = generate(model, tokenizer, ["A"], GenerateConfig(greedy=True, max_tokens=9), framing=framing)[0]
    assert ended.token_ids == [V + 1] and ended.finish == "end" and ended.text == ""
    on = generate(
        model, tokenizer, ["A"], GenerateConfig(greedy=True, max_tokens=9, stop_at_end=False), framing=framing
    )
    assert len(on[0].token_ids) == 9 and max(on[0].token_ids) < 256


@pytest.mark.parametrize("name", CONFIGS)
def test_an_empty_prompt_begins_a_text_whatever_the_model_would_rather(name, framing, tokenizer):
    """A source of nothing is one that training never shows: here every end is certain, and yet a text is begun."""
    model = lively(CONFIGS[name], vocabulary_size=V + 20)
    ends = [256, *framing.stop_ids]
    with torch.no_grad():
        hidden = model(torch.tensor([framing.start]), source_BS=torch.tensor([framing.source([256])]))[0][0, -1]
        model.embed.weight[ends] += hidden * 1e3
    found = generate(model, tokenizer, ["", "a"], GenerateConfig(greedy=True, max_tokens=9), framing=framing)
    assert len(found[0].token_ids) > 1 and found[0].token_ids[0] not in ends


def test_without_a_framing_the_text_is_the_source(tokenizer):
    model = lively(CONFIGS["t5"], vocabulary_size=V)
    config = GenerateConfig(greedy=True, max_tokens=20)
    plain = generate(model, tokenizer, PROMPTS, config)
    framed = generate(model, tokenizer, PROMPTS, config, framing=build_framing(PrefixObjective(), C, V, 256))
    assert [text.token_ids for text in plain] == [text.token_ids for text in framed]
