"""T5 both ways: stock models with random weights become ours and go back; ours are exported, proven, read again."""

import json

import pytest
import torch

from idiolect.errors import RecipeError
from idiolect.export.huggingface import export, from_huggingface
from idiolect.export.kinds import kind_for, kind_named
from idiolect.export.stock import stock_transformers
from idiolect.models.config import Seq2SeqConfig, T5Config, t5_like, t5_v1_1_like

pytest.importorskip("transformers")

N_VOCABULARY = 90
SMALL = dict(
    vocab_size=N_VOCABULARY, d_model=32, d_kv=12, d_ff=40, num_layers=2, num_heads=3, n_positions=40,
    relative_attention_num_buckets=8, relative_attention_max_distance=20, decoder_start_token_id=0,
)  # fmt: skip
STOCK = {
    "v1.0": SMALL,
    "v1.0, uneven": SMALL | dict(num_decoder_layers=3, layer_norm_epsilon=1e-3),
    "v1.1": SMALL | dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "gated, tied": SMALL | dict(feed_forward_proj="gated-silu"),
}
OURS = {
    "v1.0": t5_like(context_length=40, n_layers=2, d_model=32, n_heads=2, d_head=8, d_ff=40),
    "v1.1": t5_v1_1_like(context_length=40, n_layers=1, n_decoder_layers=2, d_model=32, n_heads=2, d_head=8, d_ff=40),
    "default": T5Config(context_length=40, n_layers=1, d_model=32, n_heads=4),
}


def stock_model(name):
    with stock_transformers() as transformers:
        torch.manual_seed(0)
        model = transformers.T5ForConditionalGeneration(transformers.T5Config(**STOCK[name])).eval()
        with torch.no_grad():
            if STOCK[name].get("tie_word_embeddings") is False:
                # What v1.1's files hold: a head of its own, which the class itself would tie.
                model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight))
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def pair(seed=1):
    generator = torch.Generator().manual_seed(seed)
    source, tokens = (torch.randint(0, N_VOCABULARY, (3, n), generator=generator) for n in (37, 23))
    return source, tokens


@pytest.mark.parametrize("name", STOCK)
def test_a_stock_model_becomes_ours_and_goes_back(name, tmp_path):
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, config, tokenizer = from_huggingface(tmp_path / "stock")
    assert tokenizer is None and config.context_length == 40
    assert config.tied_head == (STOCK[name].get("tie_word_embeddings") is not False)
    source, tokens = pair()
    mask = torch.arange(37) < torch.tensor([37, 12, 30])[:, None]
    with torch.inference_mode():
        expected = theirs(input_ids=source, decoder_input_ids=tokens, attention_mask=mask.long()).logits
        found = ours.head(ours(tokens, source_BS=source, source_mask_BS=mask)[0])
    assert expected.std() > 0.3  # a model that says nothing would agree with anything
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    back = kind_named("t5").to_stock(ours)
    state = {key: value for key, value in theirs.state_dict().items() if "embed_tokens" not in key}
    assert set(state) - set(back) <= {"lm_head.weight"}
    assert all(torch.equal(back[key], state[key]) for key in back)


@pytest.mark.parametrize("name", STOCK)
def test_the_comparison_can_fail(name, tmp_path):
    """Negative control: one bias of one bucket changed is seen."""
    theirs = stock_model(name)
    theirs.save_pretrained(tmp_path / "stock")
    ours, _, _ = from_huggingface(tmp_path / "stock")
    with torch.no_grad():
        ours.decoder_bias.table.weight[3, 1] += 0.05
    source, tokens = pair()
    with torch.inference_mode():
        expected = theirs(input_ids=source, decoder_input_ids=tokens).logits
        assert (ours.head(ours(tokens, source_BS=source)[0]) - expected).abs().max() > 1e-4


@pytest.mark.parametrize("name", OURS)
def test_our_model_is_exported_and_comes_back(name, tmp_path, lively, bpe):
    n_sentinels = 5
    model = lively(OURS[name], bpe.vocabulary_size + n_sentinels)
    figures = export(model, OURS[name], bpe, tmp_path / "out")
    assert figures["kind"] == "t5" and figures["max_logit_difference"] <= 1e-4
    assert figures["n_positions"] >= 1024
    again, config, tokenizer = from_huggingface(tmp_path / "out")
    state = model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())
    # How biases started is nothing that stock configs say.
    derived = {"n_decoder_layers", "d_head", "d_ff", "bias_slope"}
    assert config.model_dump(exclude=derived) == OURS[name].model_dump(exclude=derived)
    with stock_transformers() as transformers:
        stock = transformers.AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
        ids = stock("The quick <extra_id_0> dog<extra_id_4>", add_special_tokens=False)["input_ids"]
        assert ids[-1] == bpe.vocabulary_size + 4 and bpe.vocabulary_size in ids
        assert stock.decode(ids) == "The quick <extra_id_0> dog<extra_id_4>"
    assert tokenizer.special_ids["<extra_id_0>"] == bpe.vocabulary_size
    described = json.loads((tmp_path / "out" / "config.json").read_text())
    assert described["decoder_start_token_id"] == bpe.end_id


def test_stock_code_writes_what_ours_does(tmp_path, lively, bpe):
    """`generate` of both, greedily, from the same source."""
    model = lively(OURS["v1.0"], bpe.vocabulary_size)
    export(model, OURS["v1.0"], bpe, tmp_path / "out")
    source = torch.from_numpy(bpe.encode("The quick brown fox").astype("int64"))[None]
    with stock_transformers() as transformers, torch.inference_mode():
        stock = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out", local_files_only=True)
        theirs = stock.generate(source, max_new_tokens=12, do_sample=False, eos_token_id=-1, min_p=None)[0, 1:]
        cache, token, drawn = model.new_cache(1, 16, source_BS=source), torch.tensor([[bpe.end_id]]), []
        for _ in range(12):
            token = model.head(model(token, cache)[0]).argmax(-1)
            drawn.append(int(token))
    assert theirs.tolist() == drawn


def test_what_stock_code_lacks_is_named():
    with pytest.raises(RecipeError, match="model.positions = rotary") as caught:
        kind_for(T5Config(positions="rotary"))
    assert "--model.positions=relative" in caught.value.fix
    with pytest.raises(RecipeError, match="no architecture"):
        kind_for(Seq2SeqConfig())
