"""With GPT-2's and Llama's settings and the same weights our logits are stock `transformers`' (fp32, 1e-4)."""

import pytest
import torch

from idiolect.models.config import gpt2_like, llama_like
from tests.models.settings import SMALL
from tests.models.toys import build_open, draw_tokens

transformers = pytest.importorskip("transformers")
V = 61
CLOSE = dict(atol=1e-4, rtol=1e-4)


def test_gpt2():
    ours = build_open(gpt2_like(**SMALL, init_std=0.2), V).eval()
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=24, n_embd=32, n_layer=3, n_head=4, attn_implementation="eager"
    )
    theirs = transformers.GPT2LMHeadModel(config).eval()
    weights = {"transformer.wte.weight": "embed.weight", "transformer.wpe.weight": "positions.weight"}
    weights |= {f"transformer.ln_f.{leaf}": f"final_norm.{leaf}" for leaf in ("weight", "bias")}
    parts = {
        "ln_1": "norm_attention",
        "ln_2": "norm_mlp",
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.out",
    }
    parts |= {"mlp.c_fc": "mlp.up", "mlp.c_proj": "mlp.down"}
    for layer in range(3):
        for name, own in parts.items():
            for leaf in ("weight", "bias"):
                weights[f"transformer.h.{layer}.{name}.{leaf}"] = f"blocks.{layer}.{own}.{leaf}"
    copy_weights(theirs, ours, weights, transposed=("attn.c_attn", "attn.c_proj", "c_fc", "c_proj"))
    compare(ours, theirs)


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
def test_llama(n_kv_heads):
    ours = build_open(llama_like(**SMALL, n_kv_heads=n_kv_heads, init_std=0.2), V).eval()
    config = transformers.LlamaConfig(
        vocab_size=V, hidden_size=32, intermediate_size=ours.config.resolved_d_ff, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=n_kv_heads, max_position_embeddings=24, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}, attn_implementation="eager",
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    state = ours.state_dict()
    split = {}
    for layer in range(3):
        rows = ours.fused_rows[f"blocks.{layer}.attention.qkv.weight"]
        for name, part in zip("qkv", state[f"blocks.{layer}.attention.qkv.weight"].split(rows), strict=True):
            split[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = part
        gate, up = state[f"blocks.{layer}.mlp.gate_up.weight"].chunk(2)
        split[f"model.layers.{layer}.mlp.gate_proj.weight"], split[f"model.layers.{layer}.mlp.up_proj.weight"] = (
            gate,
            up,
        )
        for name, own in {
            "self_attn.o_proj": "attention.out", "mlp.down_proj": "mlp.down",
            "input_layernorm": "norm_attention", "post_attention_layernorm": "norm_mlp",
        }.items():  # fmt: skip
            split[f"model.layers.{layer}.{name}.weight"] = state[f"blocks.{layer}.{own}.weight"]
    split |= {"model.embed_tokens.weight": state["embed.weight"], "lm_head.weight": state["unembed.weight"]}
    split |= {"model.norm.weight": state["final_norm.weight"]}
    missing, unexpected = theirs.load_state_dict(split, strict=False)
    assert not missing and not unexpected
    compare(ours, theirs)


def copy_weights(theirs, ours, names, transposed):
    state = ours.state_dict()
    mapped = {
        name: state[own].T if name.endswith("weight") and any(part in name for part in transposed) else state[own]
        for name, own in names.items()
    }
    assert set(names.values()) == set(state)
    missing, unexpected = theirs.load_state_dict(mapped, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    theirs.tie_weights()


def compare(ours, theirs):
    tokens = draw_tokens(3, 24, V)
    with torch.no_grad():
        expected = theirs(tokens).logits
        logits = ours.head(ours(tokens)[0])
    assert logits.std() > 0.5  # not a comparison of nothings
    torch.testing.assert_close(logits, expected, **CLOSE)
