"""What a batch costs a model: a small value, so that every task's loss can be trained by one loop."""

from typing import NamedTuple

from torch import Tensor


class Priced(NamedTuple):
    """Three 0-d tensors, summed over a batch's scored targets: what `loss_of(model, batch)` returns.

    `loss` is minimised and carries gradients; `n_scored` is how many targets count; `nats` is the plain cross-entropy
    that is reported, without gradients. Smoothing, z-loss, a teacher and auxiliary losses enter `loss` only.
    """

    loss: Tensor
    n_scored: Tensor
    nats: Tensor
