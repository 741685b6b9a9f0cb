"""Published GPTs as settings: GPT-2's and Llama's, of any size."""

from idiolect.models.config.gpt import GPTConfig


def gpt2_like(**changes) -> GPTConfig:
    """GPT-2's settings (Radford et al. 2019): learned positions, layer norm, tanh-GELU, biases, tied head."""
    settings = dict(
        context_length=1024, n_layers=12, d_model=768, n_heads=12, mlp="gelu_tanh", norm="layer", positions="learned",
        bias=True, qk_norm=False, tied_head=True, zero_init_projections=False,
    )  # fmt: skip
    return GPTConfig(**(settings | changes))


def llama_like(**changes) -> GPTConfig:
    """Llama 3's settings (arXiv 2407.21783): rotary, RMS norm, SwiGLU, grouped heads, no bias, untied head."""
    settings = dict(
        context_length=2048, n_layers=16, d_model=1024, n_heads=16, mlp="swiglu", norm="rms",
        positions="rotary", rope_theta=500_000.0, bias=False, qk_norm=False, tied_head=False,
        zero_init_projections=False,
    )  # fmt: skip
    settings |= changes
    # Four queries share a key and value, as in Llama 3 8B, where the number of heads allows it.
    settings.setdefault("n_kv_heads", settings["n_heads"] // 4 if settings["n_heads"] % 4 == 0 else 0)
    return GPTConfig(**settings)
