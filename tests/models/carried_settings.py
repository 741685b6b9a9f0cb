"""Small configs of the families that carry a history or a state, which between them use every option."""

from idiolect.models.config import CNNConfig, Mamba2Config

V = 37
SMALL = dict(context_length=24, n_layers=3, d_model=32)
# Zero projections would hide a leak: with them every block starts as the identity.
MAMBA = SMALL | dict(d_head=8, d_state=5, chunk=4, zero_init_projections=False, init_std=0.2)
CNN = SMALL | dict(init_std=0.2)

VARIANTS = {
    "cnn": CNNConfig(**CNN),
    "cnn, dilated": CNNConfig(**CNN, dilations=(1, 2), kernel_width=3),
    "cnn, one dilation": CNNConfig(**CNN, dilations=(5,), kernel_width=2, tied_head=False),
    "cnn, bottleneck": CNNConfig(**CNN, d_bottleneck=8, kernel_width=5, bias=True, norm="layer"),
    "cnn, as in the paper": CNNConfig(**CNN, norm="none", weight_norm=True, bias=True, d_bottleneck=12),
    "cnn, no scales": CNNConfig(**CNN, norm_scale=False, weight_norm=True),
    "mamba2": Mamba2Config(**MAMBA),
    "mamba2, biases": Mamba2Config(**MAMBA, bias=True, norm="layer", mlp="gelu", d_inner=16, tied_head=False),
    "mamba2, gated": Mamba2Config(**MAMBA | dict(chunk=64), mlp="swiglu", conv_width=2, norm_scale=False, d_inner=64),
    "mamba2, no convolution": Mamba2Config(**MAMBA | dict(chunk=7), conv_width=1),
}
