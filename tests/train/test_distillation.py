"""A student learns from a teacher faster than alone; what a teacher does not know, it can not teach."""

import math

import torch

from idiolect.data.batch import Batch
from idiolect.train.config import LossConfig
from idiolect.train.loss import build_loss, lm_loss
from tests.train.tiny import CONTEXT, VOCABULARY, TinyModel

N_SUCCESSORS = 6
FLOOR = math.log(N_SUCCESSORS)  # nats a token: each id is followed by one of six, equally likely


def chain() -> torch.Tensor:
    """The transition matrix (V, V) of a Markov chain."""
    generator = torch.Generator().manual_seed(7)
    p_VV = torch.zeros(VOCABULARY, VOCABULARY)
    for row in p_VV:
        row[torch.randperm(VOCABULARY, generator=generator)[:N_SUCCESSORS]] = 1 / N_SUCCESSORS
    return p_VV


def draw(rows: int, seed: int) -> Batch:
    p_VV, generator = chain(), torch.Generator().manual_seed(seed)
    columns = [torch.randint(VOCABULARY, (rows,), generator=generator)]
    for _ in range(CONTEXT):
        columns.append(torch.multinomial(p_VV[columns[-1]], 1, generator=generator).squeeze(1))
    window_BW = torch.stack(columns, 1)
    return Batch(window_BW[:, :-1], window_BW[:, 1:], torch.ones(rows, CONTEXT, dtype=torch.bool))


class Knowing(torch.nn.Module):
    """A teacher that holds a transition matrix: its hidden state is the last token."""

    def __init__(self, p_VV):
        super().__init__()
        self.log_p_VV = (p_VV + 1e-4).log()

    def forward(self, tokens_BT, cache=None, document_BT=None):
        return torch.nn.functional.one_hot(tokens_BT, VOCABULARY).float(), None

    def head(self, hidden):
        return hidden @ self.log_p_VV


def nats_after(steps: int, loss_of) -> float:
    """Nats a token on fresh text after a few updates on a little text, read again and again."""
    model, text = TinyModel(dropout=0.0, d_model=24), draw(16, seed=1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(steps):
        first = 4 * (step % 4)
        loss, n_scored, _ = loss_of(model, text.slice(first, first + 4))
        optimiser.zero_grad()
        (loss / n_scored).backward()
        optimiser.step()
    with torch.no_grad():
        found = lm_loss(model, draw(64, seed=2))
    return (found.nats / found.n_scored).item()


def taught_by(p_VV) -> float:
    config = LossConfig(teacher="runs/big", teacher_weight=0.9, teacher_temperature=1.0)
    return nats_after(120, build_loss(config, Knowing(p_VV).eval()))


def test_a_student_learns_faster_from_a_teacher_than_alone():
    alone, taught = nats_after(120, lm_loss), taught_by(chain())
    assert FLOOR < taught < alone - 0.2, (taught, alone)


def test_what_a_teacher_does_not_know_it_can_not_teach():
    """Negative controls: a uniform teacher keeps the student from overfitting and no more; a wrong one misleads it."""
    alone, taught = nats_after(120, lm_loss), taught_by(chain())
    assert taught_by(torch.full((VOCABULARY, VOCABULARY), 1 / VOCABULARY)) > taught + 1
    assert taught_by(chain().roll(5, 1)) > alone
