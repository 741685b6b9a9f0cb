"""Stock BERT and ModernBERT -> ours -> stock: equal logits both ways, the tensors back, and a tokenizer with a mask."""

import dataclasses

import pytest
import torch

from idiolect.errors import NumericsError, RecipeError
from idiolect.export import huggingface
from idiolect.export.huggingface import export, from_huggingface
from idiolect.export.kinds import kind_for, kind_named
from idiolect.export.stock import stock_transformers
from idiolect.generate.config import GenerateConfig
from idiolect.generate.fill import MASK, fill
from idiolect.models.config import BertConfig, GPTConfig, bert_like, modernbert_like
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

pytest.importorskip("transformers")

V = 120
BERT = dict(
    vocab_size=V, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=72,
    max_position_embeddings=48,
)  # fmt: skip
MODERN = BERT | dict(
    num_hidden_layers=5, intermediate_size=40, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
    sep_token_id=2,
)  # fmt: skip
STOCK = {
    "bert": ("Bert", BERT),
    "bert, tanh gelu, untied": ("Bert", BERT | dict(hidden_act="gelu_new", tie_word_embeddings=False)),
    "modernbert": ("ModernBert", MODERN | dict(local_attention=10)),
    "modernbert, biases": (
        "ModernBert",
        MODERN | dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, decoder_bias=False),
    ),
    "modernbert, one bias, silu, own pattern": (
        "ModernBert",
        MODERN
        | dict(
            attention_bias=True, hidden_activation="silu", classifier_activation="silu", local_attention=6,
            layer_types=["sliding_attention", "full_attention"] * 2 + ["sliding_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": 900.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
            },
        ),
    ),
    "modernbert, untied": ("ModernBert", MODERN | dict(tie_word_embeddings=False)),
}  # fmt: skip


def stock_model(name):
    family, settings = STOCK[name]
    with stock_transformers() as transformers:
        torch.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**settings)
        model = transformers.AutoModelForMaskedLM.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


def draw(n, length=48, size=V):
    return torch.randint(0, size, (n, length), generator=torch.Generator().manual_seed(1))


def logits_of(ours, tokens_BT):
    with torch.inference_mode():
        return ours.head(ours(tokens_BT)[0])


@pytest.mark.parametrize("name", STOCK)
def test_a_stock_model_becomes_ours_and_goes_back(name, tmp_path):
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, config, tokenizer = from_huggingface(tmp_path / "stock")
    assert tokenizer is None and config == ours.config
    tokens_BT = draw(4)
    with torch.inference_mode():
        expected_BTV = theirs(tokens_BT).logits
    assert expected_BTV.std() > 0.5  # a model that says nothing would agree with anything
    torch.testing.assert_close(logits_of(ours, tokens_BT), expected_BTV, rtol=0, atol=1e-4)

    back, stock = kind_named(theirs.config.model_type).to_stock(ours), theirs.state_dict()
    positions, types = "bert.embeddings.position_embeddings.weight", "bert.embeddings.token_type_embeddings.weight"
    if positions in back:
        # The first token type is part of the positions now.
        assert torch.equal(back.pop(positions), stock.pop(positions) + stock[types][0])
        assert not back.pop(types).any() and stock.pop(types).any()
    known = {key: tensor for key, tensor in stock.items() if key in back}
    assert set(stock) - set(known) <= {
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
        "decoder.weight",
    }
    assert all(torch.equal(back[key], tensor) for key, tensor in known.items() if key != "cls.predictions.bias")
    assert not any(back[key].any() for key in set(back) - set(known))


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_padding_is_their_attention_mask(name, tmp_path):
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, _, _ = from_huggingface(tmp_path / "stock")
    tokens_BT = draw(2, 20)
    real_BT = torch.arange(20) < torch.tensor([[20], [13]])
    with torch.inference_mode():
        expected = theirs(tokens_BT, attention_mask=real_BT.long()).logits[real_BT]
        found = ours.head(ours(tokens_BT, document_BT=(~real_BT).long())[0])[real_BT]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_the_comparison_can_fail(name, tmp_path):
    """Negative control: one number of one small tensor changed is seen."""
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, _, _ = from_huggingface(tmp_path / "stock")
    with torch.no_grad():
        ours.blocks[1].norm_mlp.weight[3] += 0.01
    tokens_BT = draw(1)
    with torch.inference_mode():
        assert (logits_of(ours, tokens_BT) - theirs(tokens_BT).logits).abs().max() > 1e-4


def test_another_head_in_a_folder_does_no_harm(tmp_path):
    with stock_transformers() as transformers:
        torch.manual_seed(0)
        transformers.BertForPreTraining(transformers.BertConfig(**BERT)).save_pretrained(tmp_path / "stock")
    ours, _, _ = from_huggingface(tmp_path / "stock")
    assert ours.config.norm_at == "after"


SIZES = dict(context_length=40, n_layers=4, d_model=32, n_heads=4)
OURS = {
    "bert": bert_like(**SIZES),
    "bert, no biases, bare norms, sinusoids, untied": BertConfig(
        **SIZES, norm_at="after", positions="sinusoidal", mlp="relu2", norm_scale=False, tied_head=False
    ),
    "bert, no positions, no head bias": bert_like(**SIZES, positions="none", head_bias=False),
    "modernbert": modernbert_like(**SIZES, d_ff=48, sliding_window=8),
    "modernbert, ours by default": BertConfig(**SIZES),
    "modernbert, swiglu, biases, windows, untied": BertConfig(
        **SIZES, mlp="swiglu", bias=True, sliding_window=7, window_pattern="SSL", local_rope_theta=50.0,
        tied_head=False, norm_scale=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_our_model_is_exported_and_comes_back(name, tmp_path, lively, bpe):
    config = OURS[name]
    model = lively(config, bpe.vocabulary_size + 1)
    figures = export(model, config, bpe, tmp_path / "out")
    assert figures["kind"] == name.split(",")[0]
    assert figures["max_logit_difference"] <= 1e-4 and figures["n_positions"] >= 1024
    again, _, tokenizer = from_huggingface(tmp_path / "out")
    tokens_BT = draw(3, 40, bpe.vocabulary_size + 1)
    torch.testing.assert_close(logits_of(again, tokens_BT), logits_of(model, tokens_BT), rtol=0, atol=1e-5)
    assert again.mask_id == model.mask_id == tokenizer.special_ids[MASK] == bpe.vocabulary_size
    # A text that spells the mask is that text, as with every special token of ours.
    text = f"The quick {MASK} fox"
    assert tokenizer.encode(text).tolist() == bpe.encode(text).tolist()
    config = GenerateConfig()
    assert fill(again, tokenizer, [text], config)[0].text == fill(model, bpe, [text], config)[0].text
    assert not (tmp_path / "out" / "generation_config.json").exists()


@pytest.mark.parametrize("kind", ["bpe", "character"])
def test_stock_code_fills_the_same_gap(kind, tmp_path, lively, bpe, texts):
    if kind == "character":
        tokenizer = build(TokenizerConfig(kind="character", vocabulary_size=200), iter(texts))
    else:
        tokenizer = bpe
    model = lively(OURS["modernbert"], tokenizer.vocabulary_size + 1)
    export(model, model.config, tokenizer, tmp_path / "out")
    text = f"the quick brown {MASK} jumps"
    ours = fill(model, tokenizer, [text], GenerateConfig(), n_candidates=3)[0].gaps[0].candidates
    with stock_transformers() as transformers:
        theirs_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
        assert theirs_tokenizer.mask_token == MASK and theirs_tokenizer.mask_token_id == model.mask_id
        theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out", local_files_only=True).eval()
        ids = theirs_tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            probability = theirs(ids).logits[0, ids[0].tolist().index(model.mask_id)].softmax(-1)
    # Ours never proposes what is no text (the end, the mask itself); stock code does.
    text_ids = [i for i in range(tokenizer.vocabulary_size) if tokenizer.bytes_per_token[i] > 0]
    best = sorted(text_ids, key=lambda i: -probability[i])[:3]
    assert [token for token, _ in ours] == [tokenizer.token_text(i) for i in best]
    share = probability[text_ids].sum()
    with stock_transformers() as transformers:
        filler = transformers.pipeline("fill-mask", model=str(tmp_path / "out"), top_k=5)
        assert best[0] in [found["token"] for found in filler(text)]
    assert [p for _, p in ours] == pytest.approx([float(probability[i] / share) for i in best], abs=1e-4)


def test_what_neither_can_express_is_refused():
    with pytest.raises(RecipeError, match="qk_norm"):
        kind_for(BertConfig(**SIZES, qk_norm=True))
    with pytest.raises(RecipeError, match="norm"):
        kind_for(BertConfig(**SIZES, norm="rms"))
    assert kind_for(BertConfig(**SIZES)).name == "modernbert" and kind_for(GPTConfig(mlp="swiglu")).name == "qwen3"


def test_a_wrong_tensor_is_no_export(tmp_path, lively, bpe, monkeypatch):
    config = OURS["bert"]
    model = lively(config, bpe.vocabulary_size + 1)
    kind = kind_for(config)

    def swapped(model):
        tensors = kind.to_stock(model)
        first, second = (f"bert.encoder.layer.0.attention.self.{name}.weight" for name in ("query", "key"))
        return tensors | {first: tensors[second], second: tensors[first]}

    wrong = dataclasses.replace(kind, to_stock=swapped)
    monkeypatch.setattr(huggingface, "kind_for", lambda config: wrong)
    with pytest.raises(NumericsError, match="differ from ours"):
        export(model, config, bpe, tmp_path / "out")
    assert not (tmp_path / "out").exists()
