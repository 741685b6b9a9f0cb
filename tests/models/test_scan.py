"""The chunked scan equals a plain loop over positions, forward and backward, and stays sound over long texts."""

import pytest
import torch
import torch.nn.functional as F

from idiolect.models.scan import Signals, scan, state_at, step

B, H, K, R = 2, 3, 4, 5


def draw(T: int, dtype=torch.float64, seed: int = 0, rows: int = B) -> Signals:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    step_BTH = F.softplus(normal(rows, T, H))
    signals = (normal(rows, T, H, K), -step_BTH * torch.rand(H, generator=generator), step_BTH.log())
    return Signals(*(x.to(dtype).requires_grad_() for x in (*signals, normal(rows, T, R), normal(rows, T, R))))


def draw_rest(dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    skip, state = torch.randn(H, generator=generator), torch.randn(B, H, K, R, generator=generator)
    return skip.to(dtype).requires_grad_(), state.to(dtype).requires_grad_()


def loop(signals: Signals, skip, state, piece_BT=None):
    """The definition, a position at a time."""
    x, log_decay, log_step, b, c = signals
    h = x.new_zeros(len(x), H, K, R) if state is None else state
    found = []
    for t in range(x.shape[1]):
        if piece_BT is not None:
            before_B = piece_BT[:, t - 1] if t else torch.zeros_like(piece_BT[:, 0])
            h = torch.where((piece_BT[:, t] != before_B)[:, None, None, None], torch.zeros_like(h), h)
        new = (log_step[:, t].exp()[..., None] * x[:, t])[..., None] * b[:, t, None, None]
        h = log_decay[:, t].exp()[..., None, None] * h + new
        found.append((h * c[:, t, None, None]).sum(-1) + skip[:, None] * x[:, t])
    return torch.stack(found, 1), h


PIECES = {
    "one document": None,
    "documents": torch.tensor([[0] * 6 + [1] * 1 + [2] * 9 + [3] * 5, [0] * 21]),
    "a document begins": torch.tensor([[1] * 21, [0] * 8 + [1] * 8 + [2] * 5]),
}


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("chunk", [1, 4, 7, 64])
@pytest.mark.parametrize("with_state", [True, False])
def test_the_scan_equals_a_loop(pieces, chunk, with_state):
    signals, (skip, state) = draw(21), draw_rest()
    before, piece = state if with_state else None, PIECES[pieces]
    inputs = [*signals, skip] + ([state] if with_state else [])
    found = []
    for y, h in (scan(signals, skip, before, piece, chunk), loop(signals, skip, before, piece)):
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in (y, h)]
        gradients = torch.autograd.grad((y * weights[0]).sum() + (h * weights[1]).sum(), inputs)
        found.append([y, h, *gradients])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-11, rtol=1e-11)


def test_gradients_by_finite_differences():
    signals, (skip, state) = draw(5), draw_rest()

    def run(*inputs):
        return scan(Signals(*inputs[:5]), inputs[5], inputs[6], None, 2)

    assert torch.autograd.gradcheck(run, (*signals, skip, state))


def test_a_step_is_a_scan_of_one():
    signals, (skip, state) = draw(3), draw_rest()
    y, h = scan(signals, skip, state, None, 2)
    for t in range(3):
        part, state = step(signals.part(t, t + 1), skip, state)
        torch.testing.assert_close(part[:, 0], y[:, t])
    torch.testing.assert_close(state, h)


@pytest.mark.parametrize("lengths", [[0, 5], [9, 1]])
def test_each_rows_state_at_its_own_length(lengths):
    signals, (skip, state) = draw(9), draw_rest()
    found = state_at(signals, state, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        part = Signals(*(x[row : row + 1, :length] for x in signals))
        expected = loop(part, skip, state[row : row + 1])[1] if length else state[row : row + 1]
        torch.testing.assert_close(found[row : row + 1], expected)


def gradients_of(signals: Signals, skip, chunk: int = 64):
    y, _ = scan(signals, skip, None, None, chunk)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), [*signals, skip])]


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e4])
def test_long_texts_are_stable(rate):
    """4,096 positions with decays from none at all to at once: float32 is near float64, and nothing overflows."""
    exact = draw(4096, rows=1)
    exact = Signals(exact[0], (exact[1] * rate).detach().requires_grad_(), *exact[2:])
    skip = torch.ones(H, dtype=torch.float64, requires_grad=True)
    expected = gradients_of(exact, skip)
    for kind, limit in ((torch.float32, 3e-5), (torch.bfloat16, 3e-2)):
        found = gradients_of(rounded(exact, kind), skip.detach().float().requires_grad_())
        assert all(torch.isfinite(part).all() for part in found)
        # Where everything is forgotten at once the decay's own gradient is nothing: errors are measured by the steps'.
        sizes = [part.norm() for part in expected]
        sizes[2] = max(sizes[2], sizes[3])
        for ours, theirs, size in zip(found, expected, sizes, strict=True):
            assert (ours.double() - theirs).norm() <= limit * size


def rounded(exact: Signals, kind: torch.dtype) -> Signals:
    """As a model in this type would give them: the logarithms stay in float32."""
    kinds = (kind, torch.float32, torch.float32, kind, kind)
    return Signals(*(x.detach().to(one).requires_grad_() for x, one in zip(exact, kinds, strict=True)))


def test_gradients_of_decays_survive_eight_bits():
    """Two large inner products whose difference is small: taken from rounded outputs it would be 2 % off."""
    exact = draw(512)
    rough = rounded(exact, torch.bfloat16)
    skip = torch.ones(H, requires_grad=True)
    ours, theirs = gradients_of(rough, skip)[2], gradients_of(exact, skip.detach().double().requires_grad_())[2]
    assert (ours.double() - theirs).norm() < 0.01 * theirs.norm()


def test_time_does_not_grow_with_the_steps_of_a_loop():
    """Python works a chunk at a time: the number of operations hangs on T / chunk, not on T."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            Count.n += 1
            return function(*args, **(kwargs or {}))

    with Count():
        gradients_of(draw(2048, torch.float32), torch.ones(H, requires_grad=True))
    assert Count.n < 2048 / 64 * 12 + 300


def test_a_forgotten_boundary_is_caught():
    signals, (skip, state) = draw(21), draw_rest()
    y, _ = scan(signals, skip, state, None, 4)
    plain, _ = loop(signals, skip, state, PIECES["documents"])
    assert (y - plain)[0].abs().max() > 1e-2
