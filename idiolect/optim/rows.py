"""Adam on the rows a step touched: for tables of which a batch reads a sliver.

A dense Adam would read and write a table of 65,536 x 128 four times a step, 130 MB, for the 768 rows of a small batch
that have a gradient. Rows that were not read stay as they are, moments too; each row counts its own updates, so that
its first ones are corrected for their short memory whenever they come.
"""

import torch
from torch import Tensor
from torch.optim import Optimizer


class RowAdam(Optimizer):
    """Adam with a moment per weight, one mean square a row, and a counter a row; gradients must be sparse.

    One square a row instead of one a weight halves the state and loses nothing we could measure (docs/log.md): the
    weights of a row see gradients of one size. `beta1 = 0` keeps no first moment at all.
    """

    def __init__(self, groups: list[dict], beta1: float, beta2: float, epsilon: float):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    gradient = parameter.grad.coalesce()
                    self._step_rows(parameter, gradient.indices()[0], gradient.values(), group["lr"])

    def _step_rows(self, table: Tensor, rows_N: Tensor, gradient_ND: Tensor, rate: float) -> None:
        state = self.state[table]
        if not state:
            state["updates"] = torch.zeros(len(table), 1, device=table.device)
            state["square"] = torch.zeros(len(table), 1, device=table.device)
            if self.beta1:
                state["momentum"] = torch.zeros_like(table)
        updates_N1 = state["updates"][rows_N].add_(1)
        square_N1 = state["square"][rows_N].lerp_(gradient_ND.square().mean(1, keepdim=True), 1 - self.beta2)
        state["updates"][rows_N], state["square"][rows_N] = updates_N1, square_N1
        step_ND = gradient_ND
        if self.beta1:
            step_ND = state["momentum"][rows_N].lerp_(gradient_ND, 1 - self.beta1)
            state["momentum"][rows_N] = step_ND
            step_ND = step_ND / (1 - self.beta1**updates_N1)
        root_N1 = (square_N1 / (1 - self.beta2**updates_N1)).sqrt_().add_(self.epsilon)
        table.index_add_(0, rows_N, step_ND / root_N1, alpha=-rate)
