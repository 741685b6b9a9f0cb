import copy
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from idiolect.data.batch import Batch
from idiolect.data.priced import Priced
from idiolect.errors import DataError, NumericsError
from idiolect.optim.build import build_optimiser
from idiolect.train import guard
from idiolect.train.loss import lm_loss
from idiolect.train.step import take_step
from tests.train.tiny import CPU, OPTIM, VOCABULARY, RandomSource, TinyModel


def gradients(model, batch, micro_samples, loss_of=lm_loss):
    """The gradients a step would apply: the optimiser's step is left out."""
    model = copy.deepcopy(model)
    optimiser = build_optimiser(OPTIM.model_copy(update={"clip_norm": 0.0}), model)
    optimiser.step = optimiser.zero_grad = lambda: None
    result = take_step(model, optimiser, batch, loss_of=loss_of, device=CPU, micro_samples=micro_samples)
    return result, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("micro_samples", [1, 2, 5, 11])
def test_splitting_a_ragged_batch_changes_only_rounding(micro_samples):
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 12)
    whole, want = gradients(model, batch, 0)
    split, got = gradients(model, batch, micro_samples)
    assert split.n_scored == whole.n_scored == batch.n_scored
    assert split.sum_nats == pytest.approx(whole.sum_nats, rel=1e-6)
    assert split.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
    for name in want:
        torch.testing.assert_close(got[name], want[name], rtol=1e-5, atol=1e-7, msg=name)


def test_a_mean_of_each_micro_batch_is_caught():
    """Negative control: the common mistake, dividing each micro-batch by its own count, is far off."""
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 12)
    _, want = gradients(model, batch, 0)

    def mean_each(model, micro):
        sum_nats, n_scored, nats = lm_loss(model, micro)
        return Priced(sum_nats / n_scored, torch.tensor(1.0), nats)

    _, got = gradients(model, batch, 1, mean_each)
    worst = max(((got[name] - want[name]).norm() / want[name].norm()).item() for name in want)
    assert worst > 1e-2


def test_clips_applies_and_forgets_the_gradients():
    model = TinyModel()
    optimiser = build_optimiser(OPTIM.model_copy(update={"clip_norm": 1e-3}), model)
    before = copy.deepcopy(model.state_dict())
    result = take_step(model, optimiser, RandomSource().batch(0, 6), loss_of=lm_loss, device=CPU, micro_samples=4)
    assert result.applied and result.grad_norm > 1e-3 and result.n_tokens == 6 * 12
    assert any((model.state_dict()[name] != before[name]).any() for name in before)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("micro_samples", [0, 2])
def test_not_finite_is_not_applied(fault, micro_samples):
    model = TinyModel()
    optimiser = build_optimiser(OPTIM, model)
    before = copy.deepcopy(model.state_dict())
    fault("step.after_backward:1:nan")
    batch = RandomSource().batch(0, 6)
    result = take_step(model, optimiser, batch, loss_of=lm_loss, device=CPU, micro_samples=micro_samples)
    assert not result.applied
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    assert not optimiser.tensors()


def test_a_loss_that_overflows_is_not_applied():
    model = TinyModel()
    optimiser = build_optimiser(OPTIM, model)

    def infinite(model, batch):
        loss, n_scored, nats = lm_loss(model, batch)
        return Priced(loss * 0 + float("inf"), n_scored, nats)

    batch = RandomSource().batch(0, 6)
    assert not take_step(model, optimiser, batch, loss_of=infinite, device=CPU).applied


@pytest.mark.parametrize("micro_samples", [0, 2])
def test_nothing_scored_is_refused(micro_samples):
    model, batch = TinyModel(), RandomSource().batch(0, 6)
    empty = Batch(batch.tokens_BT, batch.targets_BT, torch.zeros_like(batch.loss_mask_BT))
    with pytest.raises(DataError, match="no scored target"):
        take_step(model, build_optimiser(OPTIM, model), empty, loss_of=lm_loss, device=CPU, micro_samples=micro_samples)


def test_row_sparse_gradients_survive_accumulation():
    batch = RandomSource().batch(0, 12)
    dense, sparse = TinyModel(dropout=0.0), TinyModel(dropout=0.0)
    sparse.embed.sparse = True
    _, want = gradients(dense, batch, 0)
    _, got = gradients(sparse, batch, 3)
    assert got["embed.weight"].is_sparse
    torch.testing.assert_close(got["embed.weight"].to_dense(), want["embed.weight"], rtol=1e-5, atol=1e-7)


def test_rows_read_by_several_micro_batches_take_the_room_of_one():
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 12)
    model.embed.sparse = True
    held = []

    def watched(model, micro):
        held.append(0 if model.embed.weight.grad is None else model.embed.weight.grad._nnz())
        return lm_loss(model, micro)

    gradients(model, batch, 2, watched)
    assert len(held) == 6 and 0 < max(held) <= VOCABULARY < batch.tokens_BT.numel()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_rows_of_a_table_are_named_and_told_in_our_form(tmp_path, bad):
    """torch can't tell whether a sparse tensor is finite."""
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 6)
    model.embed.sparse = True
    optimiser = build_optimiser(OPTIM, model)

    def poisoned(model, batch):
        loss, n_scored, nats = lm_loss(model, batch)
        return Priced(loss * bad, n_scored, nats * bad)

    result = take_step(model, optimiser, batch, loss_of=poisoned, device=CPU)
    assert not result.applied and model.embed.weight.grad.is_sparse
    with pytest.raises(NumericsError, match="not finite") as caught:
        guard.refuse(
            step=3, sum_nats=result.sum_nats, grad_norm=result.grad_norm, model=model, batch=batch, first_sample=0,
            n_samples=6, folder=tmp_path, last_checkpoint=None,
        )  # fmt: skip
    assert "embed.weight" in caught.value.what and (tmp_path / "nonfinite-step-000003" / "manifest.json").exists()


RANK = """
import sys, torch
from pathlib import Path
from idiolect import distributed
from idiolect.optim.build import build_optimiser
from idiolect.train.loss import lm_loss
from idiolect.train.step import take_step
from tests.train.tiny import CPU, OPTIM, RandomSource, TinyModel

def gloo_threads():
    return [task for task in Path("/proc/self/task").glob("*/comm") if "gloo" in task.read_text()]

torch.set_num_threads(1)
with distributed.started(60):
    rank = distributed.rank()
    for kind in ("dense", "sparse"):
        model = TinyModel(dropout=0.0)
        model.embed.sparse = kind == "sparse"
        optimiser = build_optimiser(OPTIM, model)
        optimiser.step = optimiser.zero_grad = lambda: None
        batch = RandomSource().batch(6 * rank, 6)
        result = take_step(model, optimiser, batch, loss_of=lm_loss, device=CPU, micro_samples=4, stop=rank == 1)
        found = {"grads": {n: p.grad.to_dense() for n, p in model.named_parameters()}, "result": vars(result)}
        torch.save(found, f"{sys.argv[1]}/{kind}{rank}.pt")
    assert gloo_threads() or sys.platform != "linux"
assert not gloo_threads(), "a thread left behind may abort the interpreter at its end"
"""


def test_two_ranks_equal_one_process(tmp_path):
    root = Path(__file__).parents[2]
    alike = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RANK, str(tmp_path)]
    ranks = [subprocess.Popen(command, cwd=root, env=os.environ | alike | {"RANK": str(r)}) for r in range(2)]
    assert [process.wait(120) for process in ranks] == [0, 0]
    model, batch = TinyModel(dropout=0.0), RandomSource().batch(0, 12)
    optimiser = build_optimiser(OPTIM, model)
    optimiser.step = optimiser.zero_grad = lambda: None
    alone = take_step(model, optimiser, batch, loss_of=lm_loss, device=CPU)
    for kind in ("dense", "sparse"):
        found = [torch.load(tmp_path / f"{kind}{r}.pt", weights_only=True) for r in range(2)]
        assert found[0]["result"] == found[1]["result"]
        assert found[0]["result"]["stop"] and found[0]["result"]["n_scored"] == alone.n_scored
        assert found[0]["result"]["sum_nats"] == pytest.approx(alone.sum_nats, rel=1e-6)
        for name, p in model.named_parameters():
            torch.testing.assert_close(found[0]["grads"][name], p.grad, rtol=1e-5, atol=1e-7, msg=f"{kind} {name}")
            assert torch.equal(found[0]["grads"][name], found[1]["grads"][name])


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
