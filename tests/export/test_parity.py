"""Stock models with random weights -> ours -> stock: equal logits both ways, and the weights come back bit for bit."""

import pytest
import torch
from safetensors.torch import load_file

from idiolect.errors import RecipeError
from idiolect.export.huggingface import export, from_huggingface
from idiolect.export.kinds import kind_for, kind_named
from idiolect.export.stock import stock_transformers
from idiolect.models.config import GPTConfig

pytest.importorskip("transformers")

N_VOCABULARY = 120
GPT2 = dict(vocab_size=N_VOCABULARY, n_positions=48, n_embd=32, n_layer=3, n_head=4)
LLAMA = dict(
    vocab_size=N_VOCABULARY, max_position_embeddings=48, hidden_size=32, intermediate_size=88, num_hidden_layers=3,
    num_attention_heads=4,
)  # fmt: skip
QWEN_EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=20, head_dim=8, norm_topk_prob=True)
STOCK = {
    "gpt2": ("GPT2", GPT2),
    "gpt2, untied": ("GPT2", GPT2 | dict(tie_word_embeddings=False)),
    "gpt2, exact gelu, odd widths": (
        "GPT2",
        GPT2 | dict(activation_function="gelu", n_inner=50, layer_norm_epsilon=1e-3),
    ),
    "llama": ("Llama", LLAMA),
    "llama, grouped, tied": ("Llama", LLAMA | dict(num_key_value_heads=2, tie_word_embeddings=True)),
    "llama, one key head": ("Llama", LLAMA | dict(num_key_value_heads=1, rms_norm_eps=1e-3)),
    "llama, wide heads, theta": (
        "Llama",
        LLAMA | dict(head_dim=16, num_key_value_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
    ),
    "llama, biases": ("Llama", LLAMA | dict(attention_bias=True, mlp_bias=True)),
    "llama, biases in attention alone": ("Llama", LLAMA | dict(attention_bias=True)),
    "qwen3": ("Qwen3", LLAMA | dict(head_dim=8, num_key_value_heads=2)),
    "qwen3, windows": (
        "Qwen3",
        LLAMA
        | dict(head_dim=16, num_key_value_heads=4, use_sliding_window=True, sliding_window=5, max_window_layers=1),
    ),
    "mixtral": ("Mixtral", LLAMA | dict(num_local_experts=5, num_experts_per_tok=2, num_key_value_heads=2)),
    "mixtral, three of six, tied": (
        "Mixtral",
        LLAMA
        | dict(num_local_experts=6, num_experts_per_tok=3, intermediate_size=28, num_key_value_heads=4)
        | dict(tie_word_embeddings=True),
    ),
    "qwen3_moe": ("Qwen3Moe", LLAMA | QWEN_EXPERTS),
    "qwen3_moe, every second layer, one expert, over all": (
        "Qwen3Moe",
        LLAMA | QWEN_EXPERTS | dict(mlp_only_layers=[1], num_experts_per_tok=1, norm_topk_prob=False),
    ),
}


def stock_model(name):
    family, settings = STOCK[name]
    with stock_transformers() as transformers:
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**settings)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


def logits_of(ours, tokens_BT):
    with torch.inference_mode():
        return ours.head(ours(tokens_BT)[0])


@pytest.mark.parametrize("name", STOCK)
def test_a_stock_model_becomes_ours_and_goes_back(name, tmp_path):
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, config, tokenizer = from_huggingface(tmp_path / "stock")
    assert tokenizer is None and config == ours.config
    tokens_BT = torch.randint(0, N_VOCABULARY, (4, 48), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected_BTV = theirs(tokens_BT).logits
    assert expected_BTV.std() > 0.5  # a model that says nothing would agree with anything
    torch.testing.assert_close(logits_of(ours, tokens_BT), expected_BTV, rtol=0, atol=1e-4)

    kind = kind_named(theirs.config.model_type)
    back = kind.to_stock(ours)
    if config.n_experts:  # in memory, stock code holds all experts in one tensor; what counts is the file
        saved = load_file(tmp_path / "stock" / "model.safetensors")
        assert all(torch.equal(back.pop(key), tensor) for key, tensor in saved.items())
        assert not set(back) - {"lm_head.weight"}
        return
    # A bias that only one half of our model's linear layers had there is zero here.
    known = {key: tensor for key, tensor in theirs.state_dict().items() if key in back}
    assert set(theirs.state_dict()) - set(known) <= {"lm_head.weight"}
    assert all(torch.equal(back[key], tensor) for key, tensor in known.items())
    assert not any(back[key].any() for key in set(back) - set(known))


@pytest.mark.parametrize("name", STOCK)
def test_the_comparison_can_fail(name, tmp_path):
    """Negative control: one number of one small tensor changed is seen."""
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, _, _ = from_huggingface(tmp_path / "stock")
    with torch.no_grad():
        ours.blocks[1].norm_mlp.weight[3] += 0.01
    tokens_BT = torch.arange(48)[None]
    with torch.inference_mode():
        assert (logits_of(ours, tokens_BT) - theirs(tokens_BT).logits).abs().max() > 1e-4


SIZES = dict(context_length=40, n_layers=2, d_model=32, n_heads=4)
OURS = {
    "gpt2": dict(norm="layer", positions="learned", mlp="gelu_tanh", qk_norm=False, bias=True),
    "gpt2, no biases, relu2": dict(norm="layer", positions="learned", mlp="relu2", qk_norm=False),
    "gpt2, bare norms, sinusoids, untied": dict(
        norm="layer", norm_scale=False, positions="sinusoidal", mlp="gelu", qk_norm=False, bias=True, tied_head=False
    ),
    "gpt2, no positions": dict(norm="layer", positions="none", mlp="gelu", qk_norm=False),
    "llama": dict(mlp="swiglu", qk_norm=False, n_kv_heads=2, tied_head=False, rope_theta=500_000.0),
    "llama, geglu, bare norms, biases": dict(mlp="geglu", qk_norm=False, norm_scale=False, bias=True),
    "llama, wide heads": dict(mlp="swiglu", qk_norm=False, d_head=16, norm_epsilon=1e-3),
    "qwen3": dict(mlp="swiglu"),
    "mixtral": dict(mlp="swiglu", qk_norm=False, n_experts=4, n_kv_heads=2, tied_head=False),
    "mixtral, narrow experts": dict(mlp="geglu", qk_norm=False, n_experts=6, experts_per_token=3, expert_d_ff=24),
    "qwen3_moe": dict(mlp="swiglu", n_experts=4, tied_head=False),
    "qwen3_moe, every second layer, over all": dict(
        mlp="swiglu", n_experts=4, experts_per_token=1, expert_gate="all", expert_layers="alternate", expert_d_ff=24
    ),
    "qwen3, windows": dict(mlp="geglu", sliding_window=6, window_pattern="SL", n_kv_heads=1, tied_head=False),
}


@pytest.mark.parametrize("name", OURS)
def test_our_model_is_exported_and_comes_back(name, tmp_path, lively, bpe):
    config = GPTConfig(**SIZES, **OURS[name])
    model = lively(config, bpe.vocabulary_size)
    figures = export(model, config, bpe, tmp_path / "out")
    assert figures["kind"] == name.split(",")[0]
    assert figures["max_logit_difference"] <= 1e-4 and figures["n_positions"] >= 1024
    assert figures["n_same_argmax"] >= 0.999 * figures["n_positions"]
    again, _, tokenizer = from_huggingface(tmp_path / "out")
    tokens_BT = torch.randint(0, bpe.vocabulary_size, (3, 40), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(logits_of(again, tokens_BT), logits_of(model, tokens_BT), rtol=0, atol=1e-5)
    assert tokenizer.hash == bpe.hash


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(shared_d_ff=16), "model.shared_d_ff = 16"),
        (dict(mlp="relu2"), "model.mlp = relu2"),
        (dict(expert_d_ff=30), "model.expert_d_ff = 30"),
        (dict(mlp="swiglu", bias=True), "model.bias = true"),
        (dict(mlp="swiglu", qk_norm=False, expert_layers="alternate"), "model."),
    ],
)
def test_mixtures_that_stock_code_has_not_are_refused_by_name(settings, named):
    with pytest.raises(RecipeError, match="stock transformers can't express") as caught:
        kind_for(GPTConfig(**SIZES, n_experts=4, **({"mlp": "swiglu"} | settings)))
    assert named in caught.value.what
