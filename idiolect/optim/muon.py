"""Muon: momentum, made orthogonal, for hidden matrices (Jordan 2024, kellerjordan.github.io/posts/muon).

Matrices of one shape are orthogonalised together, and matrices fused for speed (queries, keys and values) apart. The
work is done in bfloat16 on a GPU and in float32 on a CPU.
"""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer

from idiolect.optim.config import MuonConfig

# a, b, c of x -> a x + b x^3 + c x^5 on the singular values, step by step; the last is repeated.
_COEFFICIENTS = {
    # The steepest slope at zero; singular values end in 0.7..1.2, which is enough.
    "jordan": ((3.4445, -4.7750, 2.0315),),
    # The best polynomial for where the step before leaves the values, from 0.001 on (arXiv 2505.16932, algorithm 1),
    # eased by the paper's 1 % for rounding but for the last. Worst distance from 1 of values down to 0.001, measured:
    # 0.56 after 4 steps, 0.12 after 5, where the above leaves 0.82 and 0.40.
    "polar_express": (
        *(
            (a / 1.01, b / 1.01**3, c / 1.01**5)
            for a, b, c in (
                (8.28721201814563, -23.595886519098837, 17.300387312530933),
                (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
                (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
                (3.3184196573706015, -2.488488024314874, 0.51004894012372),
                (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
                (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
                (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
            )
        ),
        (1.875, -1.25, 0.375),
    ),
}


def coefficients_of(name: str, n_steps: int) -> list[tuple[float, float, float]]:
    """The coefficients of each of `n_steps` iterations."""
    known = _COEFFICIENTS[name]
    return [known[min(step, len(known) - 1)] for step in range(n_steps)]


def orthogonalise(x_NRC: Tensor, coefficients: list[tuple[float, float, float]], epsilon: float = 1e-7) -> Tensor:
    """The nearest matrices with singular values near 1, a batch at a time: Newton-Schulz, R <= C."""
    # Never larger than the true spectral norm's bound: the iteration diverges above 1.
    x_NRC = x_NRC / x_NRC.norm(dim=(-2, -1), keepdim=True).clamp(min=epsilon)
    rows, columns = x_NRC.shape[-2:]
    n_steps = len(coefficients)
    # Counted in products of R x R x R: the plain way takes 4 C/R + 2 a step, through the Gram matrix 8 a step and
    # 4 C/R once; at C = 4 R that is 50 instead of 90. Powers of the Gram matrix square what is small, which bfloat16
    # can't hold: singular values of 30 were measured.
    precise = x_NRC.dtype != torch.bfloat16
    if rows and precise and n_steps * (2 + 4 * columns / rows) > 8 * n_steps + 4 * columns / rows - 6:
        return _by_gram(x_NRC, coefficients)
    for a, b, c in coefficients:
        gram_NRR = x_NRC @ x_NRC.mT
        update_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)
        x_NRC = torch.baddbmm(x_NRC, update_NRR, x_NRC, beta=a)
    return x_NRC


def _by_gram(x_NRC: Tensor, coefficients: list[tuple[float, float, float]]) -> Tensor:
    """The same iteration carried out on x x^T, which is small, and applied to x once.

    Each step multiplies x by P = a + b G + c G^2 from the left, hence G by P twice; all of them commute.
    """
    gram_NRR = x_NRC @ x_NRC.mT
    product_NRR = None
    for step, (a, b, c) in enumerate(coefficients, 1):
        factor_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)
        factor_NRR.diagonal(dim1=-2, dim2=-1).add_(a)
        product_NRR = factor_NRR if product_NRR is None else factor_NRR @ product_NRR
        if step < len(coefficients):
            gram_NRR = factor_NRR @ (factor_NRR @ gram_NRR)
    return product_NRR @ x_NRC


def scale_of(rows: int, columns: int, scale: str) -> float:
    """Factor on an orthogonal update: by shape (Jordan 2024), or as large as AdamW's (arXiv 2502.16982, equation 4)."""
    return math.sqrt(max(1.0, rows / columns)) if scale == "spectral" else 0.2 * math.sqrt(max(rows, columns))


class Muon(Optimizer):
    """Muon for matrices; each group's `rows` lists, for each parameter, the rows of the matrices fused in it."""

    def __init__(self, groups: list[dict], config: MuonConfig):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0, "rows": None})
        self.config = config
        self.coefficients = coefficients_of(config.coefficients, config.newton_schulz_steps)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            pairs = zip(group["params"], group["rows"], strict=True)
            present = [(parameter, rows) for parameter, rows in pairs if parameter.grad is not None]
            if present:
                self._step_group(*map(list, zip(*present, strict=True)), group["lr"], group["weight_decay"])

    def _step_group(self, parameters: list[Tensor], rows: list[tuple], rate: float, decay: float) -> None:
        gradients = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                if self.config.momentum_warmup_steps:
                    self.state[parameter]["updates"] = torch.zeros(())
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        shares = [self._momentum(parameter) for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, [1 - share for share in shares])
        directions = torch._foreach_lerp(gradients, momenta, shares) if self.config.nesterov else momenta
        if decay:
            torch._foreach_mul_(parameters, 1 - rate * decay)
        self._apply(parameters, directions, rows, rate)

    def _momentum(self, parameter: Tensor) -> float:
        """The share of the last direction kept in this update of a parameter."""
        config = self.config
        if not config.momentum_warmup_steps:
            return config.momentum
        updates = self.state[parameter]["updates"]
        gone = min(1.0, updates.item() / config.momentum_warmup_steps)
        updates += 1
        return config.momentum_start + gone * (config.momentum - config.momentum_start)

    def _work_type(self, like: Tensor) -> torch.dtype:
        name = self.config.newton_schulz_dtype
        return getattr(torch, ("bfloat16" if like.is_cuda else "float32") if name == "auto" else name)

    def _apply(self, parameters: list[Tensor], directions: list[Tensor], rows: list[tuple], rate: float) -> None:
        """Orthogonalise all parts of one shape together, lying on their longer side, and add them."""
        by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for parameter, direction, sizes in zip(parameters, directions, rows, strict=True):
            for target, part in zip(parameter.flatten(1).split(sizes), direction.flatten(1).split(sizes), strict=True):
                if part.shape[0] > part.shape[1]:
                    key = (part.shape[1], part.shape[0])
                    by_shape.setdefault(key, []).append((target, part.mT))
                else:
                    by_shape.setdefault(tuple(part.shape), []).append((target, part))
        for members in by_shape.values():
            stacked_NRC = torch.stack([part for _, part in members])
            working_NRC = stacked_NRC.to(self._work_type(stacked_NRC))
            results = orthogonalise(working_NRC, self.coefficients).to(stacked_NRC.dtype)
            for (target, _), update in zip(members, results, strict=True):
                update = update if update.shape == target.shape else update.mT
                target.add_(update, alpha=-rate * scale_of(*target.shape, self.config.scale))
