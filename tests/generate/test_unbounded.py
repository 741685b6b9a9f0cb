"""A state holds texts of any length: decoding reads each token once, also far beyond the context length."""

import math

import pytest
import torch

from idiolect.generate import GenerateConfig
from idiolect.generate.decode import generate
from idiolect.models.config import GRUConfig, LSTMConfig, RNNConfig
from tests.generate.conftest import lively

SIZES = dict(context_length=8, d_model=32, embedding_range=0.5, embedding_scale=1.0, init_range=0.4)
MODELS = {
    "lstm": LSTMConfig(**SIZES),
    "gru": GRUConfig(**SIZES, d_hidden=24, tied_head=False),
    "rnn": RNNConfig(**SIZES),
}
PROMPTS = ["Once upon a time", "", "x", "The quick brown fox jumps over the lazy dog, and over the next one too."]
GREEDY = GenerateConfig(greedy=True, max_tokens=60, stop_at_end=False)


def read_whole(model, ids, n_new):
    """Greedy continuation that reads the whole text anew for every token."""
    ids, nats = list(ids), []
    with torch.inference_mode():
        for _ in range(n_new):
            logits_V = model.head(model(torch.tensor([ids]))[0][0, -1])
            ids.append(int(logits_V.index_fill(0, torch.arange(256, 264), -math.inf).argmax()))
            nats.append(-logits_V.log_softmax(-1)[ids[-1]].item())
    return ids[-n_new:], nats


@pytest.mark.parametrize("name", MODELS)
def test_the_whole_text_is_read_whatever_its_length(name, tokenizer):
    model = lively(MODELS[name])
    for result, prompt in zip(generate(model, tokenizer, PROMPTS, GREEDY), PROMPTS, strict=True):
        ids, nats = read_whole(model, tokenizer.encode(prompt).tolist() or [256], 60)
        assert result.token_ids == ids
        torch.testing.assert_close(torch.tensor(result.nats), torch.tensor(nats), rtol=0, atol=1e-4)


def test_each_token_is_read_once(tokenizer):
    model, read = lively(MODELS["lstm"]), []
    model.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0].shape[1]))
    generate(model, tokenizer, ["Once upon a time"], GREEDY)
    assert read == [16] + [1] * 59


@pytest.mark.parametrize("config", [GREEDY, GenerateConfig(max_tokens=40, samples=2, seed=7, repetition_penalty=1.2)])
def test_a_text_does_not_depend_on_its_neighbours(config, tokenizer):
    model = lively(MODELS["gru"])
    together = generate(model, tokenizer, PROMPTS, config)
    for number, prompt in enumerate(PROMPTS):
        alone = generate(model, tokenizer, [prompt], config)
        assert [r.token_ids for r in together if r.prompt == number] == [r.token_ids for r in alone]


def test_a_bounded_reading_is_caught(monkeypatch, tokenizer):
    """Negative control: with windows of its context length the model writes something else."""
    model = lively(MODELS["lstm"])
    free = generate(model, tokenizer, PROMPTS[:1], GREEDY)[0].token_ids
    monkeypatch.setattr(type(model), "unbounded", False)
    assert generate(model, tokenizer, PROMPTS[:1], GREEDY)[0].token_ids != free
