"""The corpus source `exact`: text arrives in the splits as it was drawn, with its entropy in the audit."""

import numpy as np
import pytest

from idiolect.config_load import load
from idiolect.corpus import fingerprint_of
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.exact.config import FixedLength, GrammarConfig, MarkovConfig, UniformLength
from idiolect.corpus.exact.process import build, documents
from idiolect.errors import RecipeError
from idiolect.evaluate.exact import exact_floor, exact_nats
from idiolect.recipe import load_recipe

# So short that most texts come many times.
SHORT = MarkovConfig(order=1, symbols=2, documents=500, length=FixedLength(size=4))


def test_splits_hold_the_documents_in_order_repeats_included(prepared):
    audit, kept, _ = prepared(text=["exact"], exact=SHORT, validation_fraction=0.1, test_fraction=0.06)
    texts = documents(SHORT)
    assert [d.text for split in ("train", "validation", "test") for d in kept[split]] == texts
    assert {split: len(kept[split]) for split in kept} == {"train": 420, "validation": 50, "test": 30}
    assert len(set(texts)) <= 16 and not audit["dropped"] and audit["read"]["documents"] == 500
    assert {d.licence for d in kept["train"]} == {"public domain (generated)"}
    assert len({d.id for split in kept for d in kept[split]}) == 500


def test_no_rule_of_cleaning_touches_them(prepared):
    grammar = GrammarConfig(documents=200, length=UniformLength(least=1, most=6))
    _, kept, _ = prepared(text=["exact"], exact=grammar, min_characters=5, max_characters=5, split_by="position")
    assert [d.text for split in ("train", "validation", "test") for d in kept[split]] == documents(grammar)


def test_the_audit_says_what_the_text_is(prepared):
    audit, _, _ = prepared(text=["exact"], exact=SHORT)
    entropy = build(SHORT).entropy()
    said = audit["exact"]
    assert (said["kind"], said["licence"], said["parameters"]["order"]) == ("markov", "public domain (generated)", 1)
    assert said["nats_per_token"] == pytest.approx(entropy.high / 5)
    assert said["bits_per_byte"] == pytest.approx(entropy.high / np.log(2) / 4)


def test_the_fingerprint_minds_the_process_only_where_it_writes(tmp_path):
    (tmp_path / "a.txt").write_text("some text")
    of = lambda text, seed: fingerprint_of(CorpusConfig(text=text, exact=MarkovConfig(seed=seed)))  # noqa: E731
    assert of(("exact",), 1) != of(("exact",), 2)
    assert of((str(tmp_path),), 1) == of((str(tmp_path),), 2)


@pytest.mark.parametrize("flags", [
    ["corpus.text=exact,default"], ["corpus.text=exact", "corpus.test_text=a.txt"],
    ["corpus.text=exact", "corpus.exact.order=8", "corpus.exact.symbols=30"],
    ["corpus.text=exact", "corpus.exact.kind=tides"],
])  # fmt: skip
def test_what_makes_no_sense_is_refused(flags):
    with pytest.raises(RecipeError):
        load_recipe(None, flags)


def test_another_kind_is_a_flag_away():
    recipe = load_recipe(None, ["corpus.exact.kind=induction", "corpus.exact.keys=5"]).config
    assert (recipe.corpus.exact.kind, recipe.corpus.exact.keys) == ("induction", 5)
    assert load(CorpusConfig, None, ["exact.length.kind=geometric"]).config.exact.length.kind == "geometric"


class Split:
    """What `exact_nats` asks of shards."""

    def __init__(self, counts):
        self.document_starts, self.n_tokens = np.cumsum([0, *counts[:-1]]), sum(counts)


def test_each_token_is_priced_and_documents_keep_their_sums():
    process, texts = build(SHORT), documents(SHORT)[:3]
    whole = [nats.sum() for nats in process.nats_of(texts)]
    np.testing.assert_allclose(exact_nats(SHORT, texts, Split([5, 5, 5])), np.concatenate(process.nats_of(texts)))
    # A tokenizer that merges symbols: fewer tokens, the same sum.
    merged = exact_nats(SHORT, texts, Split([3, 2, 4]))
    np.testing.assert_allclose([merged[:3].sum(), merged[3:5].sum(), merged[5:].sum()], whole)
    floor = exact_floor(merged, 12)
    assert floor["bits_per_byte"] == pytest.approx(sum(whole) / np.log(2) / 12) and floor["limit"]


@pytest.mark.parametrize(
    ("flags", "fix"),
    [
        (["kind=grammar", "length.kind=fixed", "length.size=60"], "--corpus.exact.length.size=48"),
        (["kind=markov", "order=8", "symbols=40"], "--corpus.exact.order=2"),
        (["kind=zipf", "length.kind=uniform", "length.least=40"], "--corpus.exact.length.least=32"),
    ],
)
def test_a_process_that_can_not_be_is_refused_with_what_to_type(flags, fix):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, ["corpus.text=exact", *(f"corpus.exact.{flag}" for flag in flags)])
    assert fix in caught.value.fix and caught.value.why and "corpus.exact" in caught.value.what
