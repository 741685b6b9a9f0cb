import pytest
import torch
import torch.nn.functional as F

from idiolect.train import loss
from idiolect.train.loss import FusedHeadLoss, head_price, lm_loss
from idiolect.train.pricing import IGNORED, PLAIN, price
from tests.train.tiny import RandomSource, TinyModel


class Head(torch.nn.Module):
    """A head alone, of any size and precision."""

    def __init__(self, n_vocabulary, d_model, softcap=0.0, dtype=torch.float32):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.head_weight = torch.nn.Parameter(torch.randn(n_vocabulary, d_model, generator=generator, dtype=dtype))
        self.vocabulary_size, self.logit_softcap = n_vocabulary, softcap

    def head(self, hidden):
        logits = F.linear(hidden, self.head_weight)
        return self.logit_softcap * torch.tanh(logits / self.logit_softcap) if self.logit_softcap else logits


def draw(n, d, v, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(n, d, generator=generator, dtype=dtype).requires_grad_()
    targets = torch.randint(v, (n,), generator=generator)
    return hidden, targets, torch.rand(n, generator=generator) < 0.6


def reference(head, hidden, targets, scored):
    """By the definition, in float64: minus the log of each scored target's probability."""
    z = hidden.double() @ head.head_weight.double().T
    if head.logit_softcap:
        z = head.logit_softcap * torch.tanh(z / head.logit_softcap)
    p = torch.exp(z) / torch.exp(z).sum(-1, keepdim=True)
    return -(torch.log(p[torch.arange(len(targets)), targets]) * scored).sum()


@pytest.mark.parametrize("softcap", [0.0, 4.0])
@pytest.mark.parametrize("road", ["plain", "fused", "ignored"])
def test_every_road_gives_the_definition_and_its_gradients(monkeypatch, road, softcap):
    head, (hidden, targets, scored) = Head(29, 8, softcap), draw(50, 8, 29)
    want = reference(head, hidden, targets, scored)
    want_grads = torch.autograd.grad(want, [hidden, head.head_weight])
    if road == "plain":
        got = head_price(head, hidden, targets, scored)[0]
    elif road == "fused":
        monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", 0)
        monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 7 * 29)
        got = head_price(head, hidden, targets, scored)[0]
        assert "FusedHeadLoss" in type(got.grad_fn).__name__
    else:  # the road of a GPU: nothing is picked out, unscored targets are marked
        marked = torch.where(scored, targets, IGNORED)
        got = FusedHeadLoss.apply(hidden, head.head_weight, marked, softcap, 11)[0]
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), want, rtol=1e-6, atol=0)
    # A scaled sum: the division by the step's count comes in from behind.
    for g, w in zip(torch.autograd.grad(got / 7, [hidden, head.head_weight]), want_grads, strict=True):
        torch.testing.assert_close(g, w / 7, rtol=1e-5, atol=1e-6)


def test_scoring_keeps_nothing_and_agrees(monkeypatch):
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 5 * 29)
    head, (hidden, targets, scored) = Head(29, 8), draw(50, 8, 29)
    with torch.no_grad():
        got = head_price(head, hidden, targets, scored)[0]
    torch.testing.assert_close(got.double(), reference(head, hidden, targets, scored), rtol=1e-6, atol=0)


def test_fused_road_never_holds_all_logits():
    n, d, v, rows = 512, 16, 4096, 32
    head, (hidden, targets, _) = Head(v, d), draw(n, d, v)
    peaks = {}
    for road in ("plain", "fused"):
        with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            if road == "plain":
                got = price(head.head(hidden), targets, PLAIN, None)[0]
            else:
                got = FusedHeadLoss.apply(hidden, head.head_weight, targets, 0.0, rows)[0]
            got.backward()
        peaks[road] = _peak_bytes(profile)
    logits = n * v * 4
    assert peaks["plain"] > 2 * logits
    assert peaks["fused"] < 0.5 * logits, peaks


def _peak_bytes(profile) -> int:
    held = peak = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def test_a_frozen_head_gets_no_gradient(monkeypatch):
    monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", 0)
    head, (hidden, targets, scored) = Head(29, 8), draw(50, 8, 29)
    head.head_weight.requires_grad_(False)
    head_price(head, hidden, targets, scored)[0].backward()
    assert head.head_weight.grad is None and hidden.grad.abs().sum() > 0


def test_bfloat16_autocast_keeps_the_loss_in_float32(monkeypatch):
    head, (hidden, targets, scored) = Head(29, 8), draw(50, 8, 29)
    want = reference(head, hidden, targets, scored)
    for road_limit in (0, 2**22):
        monkeypatch.setitem(loss.PLAIN_LOGITS, "cpu", road_limit)
        hidden.grad = head.head_weight.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            got = head_price(head, hidden, targets, scored)[0]
        got.backward()
        assert got.dtype == hidden.grad.dtype == head.head_weight.grad.dtype == torch.float32
        torch.testing.assert_close(got.double(), want, rtol=2e-2, atol=0)


def test_the_whole_model_and_an_empty_mask():
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 4)
    sum_nats, n_scored, nats = lm_loss(model, batch)
    assert nats.item() == sum_nats.item() and not nats.requires_grad
    assert n_scored.item() == batch.loss_mask_BT.sum()
    assert 2 < sum_nats.item() / n_scored.item() < 6
    empty = type(batch)(batch.tokens_BT, batch.targets_BT, torch.zeros_like(batch.loss_mask_BT))
    sum_nats, n_scored, _ = lm_loss(model, empty)
    sum_nats.backward()
    assert sum_nats.item() == 0 and n_scored.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_only_the_fused_road_asks_for_the_heads_matrix():
    """A head of n-gram tables is no matrix until somebody builds one, of vocabulary x vocabulary and more."""

    head, (hidden, targets, scored) = Head(29, 8), draw(50, 8, 29)
    want = head_price(head, hidden, targets, scored)[0]
    matrix = head.head_weight.detach()
    del head.head_weight
    head.head = lambda hidden: F.linear(hidden, matrix)
    torch.testing.assert_close(head_price(head, hidden, targets, scored)[0], want)
    with torch.no_grad():
        torch.testing.assert_close(head_price(head, hidden, targets, scored)[0], want)
