"""Each filter against transformers' own, the fast choice against the filters in turn, and the draw against chance."""

import math

import pytest
import torch

from idiolect.generate import sampling

N_VOCABULARY = 700


def some_logits(n_rows=16, n_tokens=N_VOCABULARY, scale=3.0, seed=0):
    return torch.randn(n_rows, n_tokens, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.fixture(scope="module")
def reference():
    return pytest.importorskip("transformers.generation.logits_process")


def agree(ours_BV, theirs_BV):
    assert torch.equal(ours_BV.isinf(), theirs_BV.isinf())
    torch.testing.assert_close(ours_BV, theirs_BV)
    assert (~ours_BV.isinf()).any(-1).all()


@pytest.mark.parametrize("k", [1, 2, 40, N_VOCABULARY, 5000])
def test_top_k_is_that_of_transformers(reference, k):
    agree(sampling.keep_top_k(some_logits(), k), reference.TopKLogitsWarper(k)(None, some_logits()))


@pytest.mark.parametrize("p", [1e-6, 0.1, 0.5, 0.9, 0.999])
def test_top_p_is_that_of_transformers(reference, p):
    agree(sampling.keep_top_p(some_logits(), p), reference.TopPLogitsWarper(p)(None, some_logits()))


@pytest.mark.parametrize("p", [0.0, 0.02, 0.1, 0.9, 1.0])
def test_min_p_is_that_of_transformers(reference, p):
    agree(sampling.keep_min_p(some_logits(), p), reference.MinPLogitsWarper(p)(None, some_logits()))


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3])
def test_the_repetition_penalty_is_that_of_transformers(reference, penalty):
    ids_BT = torch.randint(0, N_VOCABULARY, (16, 30), generator=torch.Generator().manual_seed(1))
    seen_BV = torch.zeros(16, N_VOCABULARY, dtype=torch.bool).scatter_(1, ids_BT, True)
    theirs_BV = reference.RepetitionPenaltyLogitsProcessor(float(penalty))(ids_BT, some_logits())
    torch.testing.assert_close(sampling.penalise_repeats(some_logits(), seen_BV, penalty), theirs_BV)


def test_the_order_is_that_of_transformers(reference):
    transformers = pytest.importorskip("transformers")
    asked = transformers.GenerationConfig(
        do_sample=True,
        repetition_penalty=1.2,
        suppress_tokens=[3],
        temperature=0.7,
        top_k=50,
        top_p=0.9,
        min_p=0.05,
        pad_token_id=0,
        eos_token_id=1,
    )
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=8, n_embd=4, n_layer=1, n_head=1))
    processors = model._get_logits_processor(asked, input_ids_seq_length=1, device="cpu")
    names = [type(processor).__name__ for processor in processors]
    assert names == [
        "RepetitionPenaltyLogitsProcessor", "SuppressTokensLogitsProcessor", "TemperatureLogitsWarper",
        "TopKLogitsWarper", "TopPLogitsWarper", "MinPLogitsWarper",
    ]  # fmt: skip


def in_turn(logits_BV, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    logits_BV = logits_BV / temperature
    if top_k:
        logits_BV = sampling.keep_top_k(logits_BV, top_k)
    if top_p < 1:
        logits_BV = sampling.keep_top_p(logits_BV, top_p)
    return sampling.keep_min_p(logits_BV, min_p)


SETTINGS = [
    dict(temperature=1.0),
    dict(temperature=0.7, min_p=0.05),
    dict(temperature=1.3, top_k=40),
    dict(temperature=1.3, top_k=40, top_p=0.8),
    dict(temperature=1.3, top_k=5000, top_p=0.8, min_p=0.01),
    dict(temperature=0.5, top_p=0.9),
    dict(temperature=4.0, top_p=0.95),  # flat enough that the likeliest 256 don't hold the share
    dict(temperature=1.0, top_p=0.5, min_p=0.1),
]


@pytest.mark.parametrize("n_tokens", [65, N_VOCABULARY])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_fast_choice_has_the_distribution_of_the_filters_in_turn(settings, n_tokens):
    """Over an even grid of chances, every token is chosen as often as its probability says, to one grid point."""
    logits_1V = some_logits(1, n_tokens, seed=3)
    n_chances = 20_000
    chance_N = (torch.arange(n_chances, dtype=torch.float64) + 0.5) / n_chances
    chosen_N = sampling.choose(logits_1V.expand(n_chances, -1), chance_N, **settings)
    share_V = torch.bincount(chosen_N, minlength=n_tokens) / n_chances
    expected_V = in_turn(logits_1V, **settings).softmax(-1)[0]
    assert (share_V - expected_V).abs().max() <= 1.01 / n_chances + 1e-6
    assert not share_V[expected_V == 0].any()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_row_is_chosen_as_if_it_were_alone(settings):
    # Rows of very different flatness, so that some need the full sort and their neighbours don't.
    logits_BV = some_logits(32) * torch.logspace(-3, 1, 32).unsqueeze(-1)
    chance_B = torch.rand(32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    together_B = sampling.choose(logits_BV, chance_B, **settings)
    for row in range(32):
        assert sampling.choose(logits_BV[row : row + 1], chance_B[row : row + 1], **settings) == together_B[row]


def test_no_chance_lands_on_a_dropped_token():
    logits_BK = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(3, -1)
    chance_B = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert sampling.draw(logits_BK, chance_B).tolist() == [1, 3, 3]


def test_apples_gpus_without_double_precision_leave_the_draw_to_the_cpu():
    assert sampling.place_of(torch.device("mps")) == torch.device("cpu")
    assert sampling.place_of(torch.device("cuda", 1)) == torch.device("cuda", 1)
