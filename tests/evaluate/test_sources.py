"""A text priced by an encoder-decoder: every token once, by the chain rule, against one token at a time by hand."""

import math

import numpy as np
import pytest
import torch

from idiolect.data.config import DenoisingObjective, PrefixObjective, SpanCorruptionObjective
from idiolect.data.objectives import build_objective
from idiolect.data.objectives.framing import build_framing
from idiolect.errors import RecipeError
from idiolect.evaluate.score import score, token_scores
from idiolect.evaluate.sources import objective_score
from idiolect.models.build import build_model
from idiolect.models.config import Seq2SeqConfig, T5Config
from tests.evaluate.toys import MemorySplit

V, END, C = 30, 10, 12
CONFIGS = {
    "t5": T5Config(context_length=C, n_layers=1, d_model=16, n_heads=2),
    "seq2seq": Seq2SeqConfig(context_length=C, d_model=16, attention="bahdanau"),
}
OBJECTIVES = {
    "prefix": PrefixObjective(),
    "spans": SpanCorruptionObjective(share=0.3),
    "denoising": DenoisingObjective(),
}


def split_of(n_tokens, seed=0):
    random = np.random.default_rng(seed)
    ids = random.integers(0, V, n_tokens)
    ids[random.random(n_tokens) < 0.12] = END
    ids[-1] = END
    starts = np.concatenate(([0], np.nonzero(ids[:-1] == END)[0] + 1))
    return MemorySplit(ids, starts, n_bytes=3 * n_tokens, end_id=END)


def lively(name):
    model = build_model(CONFIGS[name], V + 12, 0)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def framing_of(name):
    return build_framing(OBJECTIVES[name], C, V, END)


def by_hand(model, split, framing, stride=0):
    """Each token's nats, its source and inputs put together as lists."""
    n_target, nats = framing.target_length, {}
    stride = stride or n_target
    for first in range(0, split.n_tokens, stride):
        before = split.all_ids[max(0, first - framing.source_length) : first].tolist()
        targets = split.all_ids[first : first + n_target].tolist()
        source = torch.tensor([framing.source(before)])
        tokens = torch.tensor([[*framing.start, *targets[:-1]]])
        with torch.no_grad():
            logs = model.head(model(tokens, source_BS=source)[0])[0, len(framing.start) - 1 :].log_softmax(-1)
        for i, target in enumerate(targets):
            nats.setdefault(first + i, -float(logs[i, target]))
    return np.array([nats[i] for i in range(split.n_tokens)])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", CONFIGS)
def test_every_token_is_scored_once_as_by_hand(name, objective):
    model, split, framing = lively(name), split_of(71), framing_of(objective)
    found = token_scores(model, split, C, framing=framing, batch_tokens=3 * C)
    assert found.position_N.tolist() == list(range(71))
    np.testing.assert_allclose(found.nats_N, by_hand(model, split, framing), atol=2e-5)


def test_a_stride_gives_each_token_more_before_it():
    model, split, framing = lively("t5"), split_of(50), framing_of("prefix")
    found = token_scores(model, split, C, framing=framing, stride=2)
    assert found.position_N.tolist() == list(range(50))
    np.testing.assert_allclose(found.nats_N, by_hand(model, split, framing, stride=2), atol=2e-5)
    with pytest.raises(RecipeError, match="evaluate.stride = 7"):
        token_scores(model, split, C, framing=framing, stride=7)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_token_is_priced_with_itself_or_what_follows(name, objective):
    """Changing a token changes no score before it: a probability of the text, block by block."""
    model, split, framing = lively(name), split_of(60), framing_of(objective)
    before = token_scores(model, split, C, framing=framing).nats_N
    for place in (0, 5, 31, 58):
        other = split_of(60)
        other.all_ids[place] = (other.all_ids[place] + 1) % (END - 1)
        after = token_scores(model, other, C, framing=framing).nats_N
        assert np.array_equal(before[:place], after[:place])
        assert (before[place:] != after[place:]).any()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_masked_documents_score_does_not_depend_on_the_others(name, objective):
    model, split, framing = lively(name), split_of(90, seed=3), framing_of(objective)
    scores = token_scores(model, split, C, framing=framing, boundaries="masked").nats_N
    ends = split.document_starts.tolist()
    second, third = max(zip(ends[1:-1], ends[2:], strict=True), key=lambda pair: pair[1] - pair[0])
    other = split_of(90, seed=3)
    kept = slice(second, third)
    for place in set(range(90)) - set(range(second, third)):
        if other.all_ids[place] != END:
            other.all_ids[place] = (other.all_ids[place] + 1) % (END - 1)
    changed = token_scores(model, other, C, framing=framing, boundaries="masked").nats_N
    np.testing.assert_allclose(scores[kept], changed[kept], atol=2e-5)
    assert not np.allclose(scores[:second], changed[:second], atol=1e-3)
    open_ones = token_scores(model, other, C, framing=framing).nats_N
    assert not np.allclose(scores[kept], open_ones[kept], atol=1e-3)


def test_figures_and_what_is_said_of_them():
    model, split, framing = lively("t5"), split_of(200), framing_of("prefix")
    found = score(model, split, C, framing=framing, against={"uniform": np.full(200, math.log(V))})
    assert found["nats"]["value"] == pytest.approx(by_hand(model, split, framing).mean(), abs=1e-5)
    assert found["bits_per_byte"]["value"] == pytest.approx(found["nats"]["value"] / math.log(2) / 3, rel=1e-6)
    assert found["about"]["source_length"] == 6 and found["about"]["stride"] == 6 and found["about"]["complete"]
    assert "uniform" in found["against"] and "kind" not in found["about"]
    # Without a framing the text is the source as it stands: the prefix's.
    assert score(model, split, C)["nats"] == found["nats"]
    part = token_scores(model, split, C, framing=framing, limit_tokens=40)
    assert 36 < len(part.position_N) <= 42


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_objectives_own_score_is_of_fixed_draws(objective):
    model, split = lively("t5"), split_of(300)
    made = build_objective(
        OBJECTIVES[objective], context_length=C, vocabulary_size=V, end_id=END, boundaries="open", seed=0,
        reads="source",
    )  # fmt: skip
    found = objective_score(model, split, made, batch_tokens=5 * C)
    assert found == objective_score(model, split, made, batch_tokens=100 * C) or found["nats"][
        "value"
    ] == pytest.approx(objective_score(model, split, made, batch_tokens=100 * C)["nats"]["value"], abs=1e-6)
    window_BW = torch.from_numpy(split.all_ids.reshape(-1, C))
    batch = made.batch(window_BW, np.arange(25))
    with torch.no_grad():
        logs = model.head(model(**batch.inputs())[0]).log_softmax(-1)
    nats = -logs.gather(-1, batch.targets_BT[..., None]).squeeze(-1)[batch.loss_mask_BT].mean()
    assert found["nats"]["value"] == pytest.approx(float(nats), abs=1e-5)
    assert found["about"] == {"windows": 25, "targets": int(batch.loss_mask_BT.sum()), "context_length": C}
    assert objective_score(model, split, made, limit_tokens=60)["about"]["windows"] == 5
