"""Smoothing, z-loss and a teacher: every road against torch's own losses and the formulas, in float64."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from idiolect.train import loss
from idiolect.train.config import LossConfig
from idiolect.train.loss import FusedHeadLoss, Lesson, build_loss, head_price, lm_loss
from idiolect.train.pricing import IGNORED, PLAIN, Terms, price, price_and_slope
from tests.train.test_loss import Head, _peak_bytes
from tests.train.tiny import RandomSource, TinyModel

N, D, V = 26, 6, 17
CASES = {
    "smoothed": Terms(label_smoothing=0.2),
    "z-loss": Terms(z_loss=0.03),
    "taught": Terms(teacher_weight=0.4, teacher_temperature=2.5),
    "taught alone": Terms(teacher_weight=1.0, teacher_temperature=0.7),
    "all": Terms(label_smoothing=0.1, z_loss=0.02, teacher_weight=0.3, teacher_temperature=3.0),
    "plain": PLAIN,
}


def draw(softcap=0.0):
    """A head, hidden states, targets, which of them count, and a wider teacher's lesson, all in float64."""
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(N, D, generator=generator, dtype=torch.float64).requires_grad_()
    targets, scored = torch.randint(V, (N,), generator=generator), torch.rand(N, generator=generator) < 0.7
    teacher = Head(V, D + 3, dtype=torch.float64)
    other = torch.randn(N, D + 3, generator=generator, dtype=torch.float64)
    return Head(V, D, softcap, torch.float64), hidden, targets, scored, Lesson(teacher.head, other)


def reference(head, hidden, targets, scored, terms, lesson):
    """torch's own losses, row sums over the scored rows, through autograd."""
    logits, other = head.head(hidden)[scored], lesson.head(lesson.hidden_ND)[scored].detach()
    T, w = terms.teacher_temperature, terms.teacher_weight
    smoothed = F.cross_entropy(logits, targets[scored], reduction="sum", label_smoothing=terms.label_smoothing)
    pull = (torch.log(torch.exp(logits).sum(-1)) ** 2).sum()
    distance = F.kl_div(F.log_softmax(logits / T, -1), F.softmax(other / T, -1), reduction="sum")
    total = (1 - w) * smoothed + terms.z_loss * pull + w * T**2 * distance
    return total, F.cross_entropy(logits, targets[scored], reduction="sum").detach()


@pytest.mark.parametrize("softcap", [0.0, 3.0])
@pytest.mark.parametrize("road", ["plain", "fused", "ignored", "scoring"])
@pytest.mark.parametrize("case", CASES)
def test_every_road_gives_torchs_own_loss_and_gradients(monkeypatch, case, road, softcap):
    head, hidden, targets, scored, lesson = draw(softcap)
    terms, parameters = CASES[case], [hidden, head.head_weight]
    want = reference(head, hidden, targets, scored, terms, lesson)
    lesson = lesson if terms.teacher_weight else None
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 5 * V)
    if road == "fused":
        monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", 0)
    if road == "ignored":  # the road of a GPU: nothing is picked out
        marked = torch.where(scored, targets, IGNORED)
        got = FusedHeadLoss.apply(hidden, head.head_weight, marked, softcap, 7, terms, lesson)
    else:
        with torch.set_grad_enabled(road != "scoring"):
            got = head_price(head, hidden, targets, scored, terms, lesson)
    assert all(x.dtype == torch.float64 for x in got) and not got[1].requires_grad
    for found, wanted in zip(got, want, strict=True):
        torch.testing.assert_close(found.detach(), wanted.detach(), rtol=1e-12, atol=1e-12)
    if road != "scoring":
        grads = (torch.autograd.grad(x[0] / 7, parameters) for x in (got, want))
        for found, wanted in zip(*grads, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_fused_gradient_is_the_slope_of_the_fused_loss(case):
    head, hidden, targets, scored, lesson = draw(softcap=3.0)
    terms, marked = CASES[case], torch.where(scored, targets, IGNORED)
    lesson = lesson if terms.teacher_weight else None

    def fused(hidden, weight):
        return FusedHeadLoss.apply(hidden, weight, marked, 3.0, 4, terms, lesson)[0]

    assert torch.autograd.gradcheck(fused, (hidden, head.head_weight))


def test_a_slope_that_is_slightly_wrong_is_caught(monkeypatch):
    """Negative control: T instead of T^2 before the distance, a common slip."""
    terms = CASES["taught"]
    head, hidden, targets, scored, lesson = draw()
    want = torch.autograd.grad(reference(head, hidden, targets, scored, terms, lesson)[0], hidden)[0]
    slipped = Terms(teacher_weight=terms.teacher_weight / terms.teacher_temperature, teacher_temperature=2.5)
    found = price_and_slope(head.head(hidden).detach(), targets, 0.0, slipped, lesson.logits(slice(None)))[2]
    assert ((found @ head.head_weight)[scored] - want[scored]).abs().max() > 0.01


def test_an_ignored_row_that_is_no_number_costs_nothing():
    logits = torch.randn(3, V, dtype=torch.float64)
    logits[1] = float("inf")
    targets = torch.tensor([4, IGNORED, 2])
    for terms, road in itertools.product((CASES["smoothed"], CASES["z-loss"]), ("autograd", "slope")):
        if road == "autograd":
            found = price(logits, targets, terms, None)
        else:
            found = price_and_slope(logits.clone(), targets, 0.0, terms, None)[:2]
        wanted = price(logits[[0, 2]], targets[[0, 2]], terms, None)
        torch.testing.assert_close(torch.stack(found), torch.stack(wanted))


def test_no_road_holds_the_teachers_logits():
    n, d, v, rows = 512, 16, 4096, 32
    generator = torch.Generator().manual_seed(0)
    head, teacher = Head(v, d), Head(v, 2 * d)
    hidden = torch.randn(n, d, generator=generator).requires_grad_()
    targets = torch.randint(v, (n,), generator=generator)
    lesson = Lesson(teacher.head, torch.randn(n, 2 * d, generator=generator))
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        FusedHeadLoss.apply(hidden, head.head_weight, targets, 0.0, rows, CASES["all"], lesson)[0].backward()
    assert _peak_bytes(profile) < 0.8 * n * v * 4


def test_the_whole_model_is_priced_with_its_terms_and_reports_plain_nats():
    batch, teacher = RandomSource().batch(0, 4), TinyModel(d_model=24, dropout=0.0, seed=3).eval()
    model = TinyModel(dropout=0.0)
    plain = lm_loss(model, batch)
    config = LossConfig(label_smoothing=0.1, z_loss=1e-3, teacher="runs/big")
    found = build_loss(config, teacher)(model, batch)
    torch.testing.assert_close(found.nats, plain.nats)
    assert torch.equal(found.n_scored, plain.n_scored)
    assert found.loss.item() != pytest.approx(plain.loss.item())
    found.loss.backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert build_loss(LossConfig()) is lm_loss


def test_a_model_equal_to_its_teacher_has_nothing_left_to_learn_from_it():
    batch, model = RandomSource().batch(0, 4), TinyModel(dropout=0.0)
    found = build_loss(LossConfig(teacher="runs/same", teacher_weight=1.0), model)(model, batch)
    assert abs(found.loss.item()) < 1e-4 < found.nats.item()


def test_auxiliary_loss_enters_what_is_minimised_and_never_the_nats():
    batch, model = RandomSource().batch(0, 4), TinyModel(dropout=0.0)
    plain = lm_loss(model, batch)
    model.auxiliary_loss = lambda: torch.tensor(0.25)
    found = lm_loss(model, batch)
    assert torch.equal(found.nats, plain.nats)
    assert found.loss.item() == pytest.approx(plain.loss.item() + 0.25 * plain.n_scored.item())


@pytest.mark.parametrize("road", ["plain", "fused", "scoring"])
def test_a_teacher_of_rough_hidden_states_is_asked_under_autocast(monkeypatch, road):
    """Recurrent models and encoders end with bfloat16 there, beside a head of float32."""
    head, hidden, targets, scored, lesson = draw()
    terms = CASES["all"]
    want = reference(head, hidden, targets, scored, terms, lesson)
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 5 * V)
    monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", 0 if road == "fused" else 2**20)
    own, teacher = Head(V, D), Head(V, D + 3)
    own.head_weight.data.copy_(head.head_weight)
    teacher.head_weight.data.copy_(lesson.head.__self__.head_weight)
    rough = Lesson(teacher.head, lesson.hidden_ND.bfloat16())
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(road != "scoring"):
        got = head_price(own, hidden.detach().float().requires_grad_(road != "scoring"), targets, scored, terms, rough)
    for found, exact in zip(got, want, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), exact.detach(), rtol=0.02, atol=0)
