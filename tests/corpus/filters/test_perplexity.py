"""Perplexity filtering: what is dropped by language, and how well a model of good text tells planted garbage."""

import gzip
import json

import numpy as np
import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters import perplexity
from idiolect.corpus.filters.calibration import area
from idiolect.corpus.filters.quality_config import PerplexityConfig
from idiolect.models.kneser_ney import KneserNey
from idiolect.stages import judges
from idiolect.stages.judges import COUNTS, Judges


def asked(**settings):
    return PerplexityConfig(good=("here",), **settings)


def test_each_language_has_its_own_percentiles():
    nats, languages = np.concatenate([np.arange(100), 1000 + np.arange(100)]), ["en"] * 100 + ["cs"] * 100
    limits = perplexity.limits_of(nats, languages, asked(drop_worst=0.1, drop_best=0.05))
    kept = perplexity.keeps(nats, languages, limits)
    assert np.array_equal(np.flatnonzero(~kept[:100]), np.flatnonzero(~kept[100:]))
    assert abs(kept[:100].sum() - 85) <= 2 and not kept[99] and not kept[0]


def test_a_language_of_few_documents_is_judged_by_all_and_one_without_a_price_stays():
    nats, languages = np.append(np.arange(100.0), [50, 99.5, np.nan]), ["en"] * 100 + ["cs"] * 3
    kept = perplexity.keeps(nats, languages, perplexity.limits_of(nats, languages, asked(drop_worst=0.1)))
    assert list(kept[-3:]) == [True, False, True]


def test_percentiles_do_not_depend_on_the_order_of_documents():
    nats = np.random.default_rng(0).random(500)
    one = perplexity.limits_of(nats, ["en"] * 500, asked())
    assert one == perplexity.limits_of(nats[::-1], ["en"] * 500, asked())


def test_settings_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="leave nothing"):
        asked(drop_worst=0.6, drop_best=0.5)
    with pytest.raises(ValueError, match="two ways"):
        PerplexityConfig(good=("a",), run="b")


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """counted(texts) -> Judges whose model has counted these texts."""

    def make(texts, order=5):
        from safetensors.numpy import save_file

        folder = tmp_path_factory.mktemp("counted")
        save_file(judges.counts_of(iter(texts), order, 10**7), folder / COUNTS)
        return Judges(perplexity_folder=str(folder), characters=5000)

    return make


def test_a_text_costs_what_the_model_says_whoever_stands_beside_it(counted):
    good = ["the river ran under the bridge. " * 5, "an old man walked home. " * 5]
    judge, texts = counted(good, order=3), ["the old river", "", "xyz", "bridge é"]
    model = KneserNey.fit(judges.stream_of(iter(good), 10**6), 256, 3, modified=True)
    together = judge.nats(texts)
    assert np.isnan(together[1]) and np.array_equal(together, judge.nats(texts), equal_nan=True)
    for text, found in zip(texts, together, strict=True):
        data = text.encode()
        if data:
            expected = model.nats(np.frombuffer(data, np.uint8), context=[ord("\n")]).sum() / len(data)
            assert found == pytest.approx(expected, rel=1e-9) == judge.nats([text])[0]


def test_planted_garbage_is_told_from_reviews(shared, counted):
    with gzip.open(shared("imdb/train.jsonl.gz"), "rt", encoding="utf-8", newline="\n") as file:
        reviews = [json.loads(next(file))["text"] for _ in range(900)]
    judge, clean = counted(reviews[:700]), reviews[700:]
    draw = np.random.default_rng(0)

    def noisy(text):
        return "".join(chr(draw.integers(33, 126)) if draw.random() < 0.08 else c for c in text)

    garbage = {
        "shuffled": [" ".join(draw.permutation(text.split())) for text in clean],
        "noise": [noisy(text) for text in clean],
        "boilerplate": [
            f"Home | About | Contact | Login\nCopyright {i}. All rights reserved. " * 9 for i in range(200)
        ],
    }
    prices = judge.nats(clean)
    good = np.repeat([True, False], len(clean))
    found = {name: area(-np.append(prices, judge.nats(texts)), good)[0] for name, texts in garbage.items()}
    assert found["noise"] > 0.99 and found["boilerplate"] > 0.99 and found["shuffled"] > 0.9, found
    # Negative control: other reviews are not garbage.
    assert 0.4 < area(-np.append(prices[:100], prices[100:]), np.repeat([True, False], 100))[0] < 0.6


def test_examples_come_as_the_corpus_would_have_them(tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    for path, word in ((good, "quiet"), (bad, "LOUD")):
        path.write_text("".join(json.dumps({"text": f"{word} text\r\nnumber {i}"}) + "\n" for i in range(30)))
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"text": "LOUD text\nnumber 3", "label": "good"}) + "\n")
    config = CorpusConfig(
        text=(str(bad),), quality={"good": (str(good),), "labels": str(labels)}, validation_fraction=0, test_fraction=0
    )
    examples = judges.examples(config)
    assert sum(e.target for e in examples) == 31 and len(examples) == 60
    assert all("\r" not in e.text for e in examples)


def test_the_contrast_is_a_sample_of_all_sources_each_read_in_its_own_way(tmp_path):
    good = tmp_path / "good.jsonl"
    good.write_text("".join(json.dumps({"text": f"quiet text number {i}"}) + "\n" for i in range(30)))
    sources = []
    for name, column in (("one", "text"), ("two", "body")):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({column: f"{name} {i}"}) + "\n" for i in range(9)))
        sources.append({"name": name, "text": [str(tmp_path / f"{name}.jsonl")], "text_columns": [column]})
    config = CorpusConfig(sources=sources, quality={"good": (str(good),)})
    contrast = {e.text for e in judges.examples(config) if not e.target}
    assert contrast == {f"{name} {i}" for name in ("one", "two") for i in range(9)}
