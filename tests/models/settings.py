"""Small configs that between them use every option; shared by the tests of this room."""

from idiolect.models.config import GPTConfig, gpt2_like, llama_like

V = 37
SMALL = dict(context_length=24, n_layers=3, d_model=32, n_heads=4)
# Zero projections would hide a leak: with them every block starts as the identity.
OPEN = SMALL | dict(zero_init_projections=False, init_std=0.2)

VARIANTS = {
    "default": GPTConfig(**OPEN),
    "gpt2": gpt2_like(**OPEN),
    "llama": llama_like(**OPEN, n_kv_heads=2),
    "learned": GPTConfig(**OPEN, positions="learned"),
    "sinusoidal": GPTConfig(**OPEN, positions="sinusoidal"),
    "no positions": GPTConfig(**OPEN, positions="none"),
    "one kv head": GPTConfig(**OPEN, n_kv_heads=1),
    "wide heads": GPTConfig(**OPEN, d_head=16),
    "sliding": GPTConfig(**OPEN, sliding_window=5),
    "sliding and full": GPTConfig(**OPEN, sliding_window=3, window_pattern="SSL", n_kv_heads=2),
    "layer norm, biases": GPTConfig(**OPEN, norm="layer", bias=True, mlp="gelu"),
    "no scales": GPTConfig(**OPEN, norm_scale=False, embedding_norm=True),
    "layer norm, no scale": GPTConfig(**OPEN, norm="layer", norm_scale=False, bias=True, qk_norm=False),
    "geglu": GPTConfig(**OPEN, mlp="geglu", bias=True),
    "soft cap, untied": GPTConfig(**OPEN, logit_softcap=3.0, tied_head=False),
    "n-grams": GPTConfig(**OPEN, ngram_orders=(2, 3), ngram_buckets=211),
    "n-grams, sliding": GPTConfig(**OPEN, ngram_orders=(4,), ngram_buckets=211, sliding_window=4, positions="learned"),
    "n-gram head": GPTConfig(**OPEN, ngram_head_orders=(1, 2, 3), ngram_head_buckets=211, sliding_window=1),
    "n-gram head and input": GPTConfig(
        **OPEN,
        ngram_head_orders=(1, 4),
        ngram_head_buckets=97,
        ngram_orders=(2,),
        ngram_buckets=2000,
        tied_head=False,
        logit_softcap=4.0,
        attention_scale=0.5,
        embedding_std=1.0,
        matrix_init="fan_in",
    ),
    "values": GPTConfig(**OPEN, value_embeddings="alternate", n_kv_heads=2),
    "values everywhere": GPTConfig(**OPEN, value_embeddings="all", mlp="swiglu"),
    "experts": GPTConfig(**OPEN, n_experts=5),
    "one expert of many": GPTConfig(**OPEN, n_experts=4, experts_per_token=1, expert_gate="all", mlp="gelu", bias=True),
    "experts, alternate": GPTConfig(
        **OPEN,
        n_experts=4,
        experts_per_token=3,
        expert_layers="alternate",
        expert_d_ff=24,
        shared_d_ff=40,
        mlp="swiglu",
        bias=True,
        qk_norm=False,
    ),
}
