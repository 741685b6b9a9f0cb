"""What a mixture of experts costs beside the dense model of as many active numbers; processor time, one thread.

python -m benchmarks.experts
"""

import statistics
import time

import torch

from idiolect.data.batch import Batch
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.models.experts import build_experts
from idiolect.models.measure import active_parameters, flops_per_token, parameters
from idiolect.train.loss import lm_loss

VOCABULARY, REPEATS = 65, 7
SHAPES = {
    "768 x 128 (moe-shakespeare)": (dict(context_length=64, n_layers=4, d_model=128, n_heads=4, mlp="swiglu"), 12, 336),
    "2,048 x 256": (dict(context_length=128, n_layers=2, d_model=256, n_heads=4, mlp="relu2"), 16, 1024),
}
MIXTURES = {
    "2 of 8": dict(n_experts=8, experts_per_token=2),
    "4 of 32": dict(n_experts=32, experts_per_token=4),
}


def seconds_of(work) -> float:
    """The median of several runs, of this thread alone: other processes don't count."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def step_seconds(config: GPTConfig, rows: int) -> float:
    """Forward and backward of a batch."""
    model = build_model(config, VOCABULARY, 0)
    window = torch.randint(VOCABULARY, (rows, config.context_length + 1), generator=torch.Generator().manual_seed(0))
    batch = Batch(window[:, :-1], window[:, 1:], torch.ones(rows, config.context_length, dtype=torch.bool))

    def step() -> None:
        loss, n_scored, _ = lm_loss(model, batch)
        (loss / n_scored).backward()

    return seconds_of(step)


def routing_share(config: GPTConfig, n_tokens: int) -> float:
    """The share of a mixture's time, forward and backward, that is not its experts' products and activations."""
    mixture = build_experts(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in mixture.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
    x_ND = torch.randn(n_tokens, config.d_model, generator=generator).requires_grad_()
    experts_NK = mixture.router(x_ND)[1]
    counts = torch.bincount(experts_NK.flatten(), minlength=config.n_experts).tolist()
    sorted_MD = x_ND.detach().repeat_interleave(config.experts_per_token, 0).requires_grad_()

    def products() -> None:
        mixture.down(mixture.activation(mixture.up(sorted_MD, counts)), counts).sum().backward()

    def whole() -> None:
        (mixture(x_ND[None]).sum() + mixture.router.left.take()).backward()

    return 1 - seconds_of(products) / seconds_of(whole)


def main() -> None:
    torch.set_num_threads(1)
    for name, (settings, rows, d_ff) in SHAPES.items():
        n_tokens = rows * settings["context_length"]
        dense = GPTConfig(**settings, d_ff=d_ff)
        dense_seconds = step_seconds(dense, rows)
        print(f"{name}: dense, {n_tokens / dense_seconds:,.0f} tokens/s")
        for kind, chosen in MIXTURES.items():
            config = GPTConfig(**settings, d_ff=d_ff, expert_d_ff=d_ff // chosen["experts_per_token"], **chosen)
            seconds = step_seconds(config, rows)
            total, active = parameters(config, VOCABULARY)["total"], active_parameters(config, VOCABULARY)
            flops = flops_per_token(config, VOCABULARY)["forward"] / flops_per_token(dense, VOCABULARY)["forward"]
            print(
                f"    {kind}: {n_tokens / seconds:,.0f} tokens/s ({dense_seconds / seconds:.2f} of dense); {total:,} "
                f"parameters, {active:,} active, {flops:.3f} of the operations; routing "
                f"{100 * routing_share(config, n_tokens):.0f} % of the mixture's time"
            )


if __name__ == "__main__":
    main()
