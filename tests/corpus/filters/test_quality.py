"""The quality classifier: what it learns, how sure it may be of it, and what it keeps."""

import csv
import gzip
import json

import numpy as np
import pytest

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.explain import check_result
from idiolect.corpus.filters import calibration as cal
from idiolect.corpus.filters import quality
from idiolect.corpus.filters.logistic import fit, sigmoid
from idiolect.corpus.filters.ngram_features import logits, rows_of, spelled
from idiolect.corpus.filters.quality import Example, Quality
from idiolect.corpus.filters.quality_config import QualityConfig
from idiolect.corpus.ledger import Ledger
from idiolect.corpus.split import digest_of
from idiolect.errors import DataError
from idiolect.progress import Progress

ON = QualityConfig(good=("here",), hash_bits=16)


def plain(n, seed=0):
    draw = np.random.default_rng(seed)
    words = "the river ran slowly under an old bridge where people walked home in evening light".split()
    return [" ".join(draw.choice(words, 40)) + f" {i}." for i in range(n)]


def shouting(n, seed=1):
    draw = np.random.default_rng(seed)
    words = "click here buy now best price free shipping order today river people old light".split()
    return [" ".join(draw.choice(words, 40)) + f" {i}!" for i in range(n)]


def dense(rows):
    x = np.zeros((len(rows.offsets) - 1, rows.n_columns))
    np.add.at(x, (rows.row_of, rows.columns), rows.values)
    return x


def test_features_of_a_text_do_not_depend_on_its_neighbours():
    texts = ["One two, three.", "", "汉字 and ไทย", "one"]
    together = dense(rows_of(texts, 12))
    for i, text in enumerate(texts):
        assert np.array_equal(together[i], dense(rows_of([text], 12))[0])
    assert not together[1].any() and together[0].any()


def test_sums_over_features_are_the_logits():
    texts, w = plain(20) + ["", "汉字"], np.random.default_rng(0).normal(size=1 << 12).astype(np.float32)
    assert np.allclose(rows_of(texts, 12).times(w) + 0.25, logits(texts, w, 0.25), atol=1e-5)


def test_logistic_regression_agrees_with_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    rows, targets = rows_of(plain(60) + shouting(60), 10), np.repeat([1.0, 0.0], 60)
    targets[:6] = 0
    w, b = fit(rows, targets, l2=0.5)
    reference = linear.LogisticRegression(C=2.0, tol=1e-9, max_iter=5000).fit(dense(rows), targets)
    assert np.allclose(w, reference.coef_[0], atol=2e-3) and b == pytest.approx(reference.intercept_[0], abs=2e-3)


def test_isotonic_and_the_area_agree_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.isotonic")
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(3)
    scores = np.round(draw.normal(size=400), 1)
    targets = (draw.random(400) < sigmoid(2 * scores)).astype(float)
    centres, values = cal.isotonic(scores, targets)
    reference = sklearn.IsotonicRegression().fit(scores, targets)
    assert np.allclose(np.unique(reference.predict(scores)), np.unique(values), atol=1e-9)
    assert np.all(np.diff(values) >= 0) and np.all(np.diff(centres) > 0)
    assert cal.area(scores, targets > 0)[0] == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


@pytest.mark.parametrize("calibrate", [cal.platt, cal.isotonic])
def test_calibration_mends_overconfident_scores(calibrate):
    draw = np.random.default_rng(5)
    z = draw.normal(size=6000) * 2
    targets = (draw.random(6000) < sigmoid(z)).astype(float)
    mended = cal.read(calibrate(4 * z[:3000] + 1, targets[:3000]), 4 * z[3000:] + 1)
    assert cal.calibration_error(mended, targets[3000:]) < 0.03
    assert cal.calibration_error(sigmoid(4 * z[3000:] + 1), targets[3000:]) > 0.1


def test_it_learns_what_it_is_shown_and_says_what_that_is():
    judge = quality.teach(quality.merge(plain(60), shouting(60), []), ON)
    scores = judge.scores(plain(40, seed=7) + shouting(40, seed=8))
    assert scores[:40].min() > 0.5 > scores[40:].max()
    assert judge.about["auc"] > 0.99 and judge.about["n_held_out"] == 120
    assert any("bridge" in row["ngram"] for row in judge.about["good_ngrams"])
    assert any("click" in row["ngram"] or row["ngram"] == "!" for row in judge.about["bad_ngrams"])


def test_labels_at_random_teach_nothing():
    texts = plain(200)
    judge = quality.teach(quality.merge(texts[:100], texts[100:], []), ON)
    assert judge.about["auc_low"] < 0.5 < judge.about["auc_high"]
    assert judge.about["expected_calibration_error"] < 0.15


def test_teaching_is_the_same_in_any_order_and_outlives_the_disk(tmp_path):
    good, bad = plain(40), shouting(40)
    one, other = (quality.teach(quality.merge(g, b, []), ON) for g, b in ((good, bad), (good[::-1], bad[::-1])))
    one.save(tmp_path)
    again = Quality.load(tmp_path)
    texts = plain(5, seed=9) + good[:3]
    assert one.about == other.about == again.about
    assert np.array_equal(one.scores(texts), other.scores(texts))
    assert np.array_equal(one.scores(texts), again.scores(texts))


def test_a_document_that_taught_is_judged_as_it_was_while_held_out():
    good, bad = plain(30), shouting(30)
    odd = shouting(1, seed=99)[0]
    judge = quality.teach(quality.merge([*good, odd], bad, []), ON)
    assert judge.scores([odd])[0] < 0.5, "one example of 61 would else speak for itself"
    assert judge.scores([odd + " "])[0] == judge.scores([odd])[0]


def test_labels_outweigh_good_and_good_outweighs_bad():
    examples = quality.merge(["a b", "c d"], ["a  b", "e f"], [Example("c d", 0.2)])
    assert {e.text: e.target for e in examples} == {"a b": 1.0, "c d": 0.2, "e f": 0.0}


def test_too_few_examples_are_refused_with_what_to_add():
    with pytest.raises(DataError, match="3 good and 20 bad") as caught:
        quality.teach(quality.merge(plain(3), shouting(20), []), ON)
    assert "--corpus.quality.good" in caught.value.fix


def test_samples_are_drawn_by_content_alone():
    texts = [f"text {i}" for i in range(5000)]
    drawn = quality.sample(texts, 50, 1, 100)
    assert drawn == quality.sample(texts[::-1], 50, 1, 100) and len(set(drawn)) == 50
    assert drawn != quality.sample(texts, 50, 2, 100)


def test_a_share_is_kept_exactly_and_pareto_draws_prefer_the_better():
    scores, digests = np.linspace(0, 1, 1000), [digest_of(str(i)) for i in range(1000)]
    share = QualityConfig(good=("x",), keep="share", share=0.3)
    assert quality.keeps(scores, digests, share, quality.threshold_of(scores, share)).sum() == 300
    pareto = QualityConfig(good=("x",), keep="pareto")
    kept = quality.keeps(scores, digests, pareto, 0.0)
    # Kept with probability (2 - score)^-9: the mean over even scores is (1 - 2^-8) / 8.
    assert kept.mean() == pytest.approx((1 - 2**-8) / 8, abs=0.03)
    assert kept[900:].mean() > 5 * max(kept[:500].mean(), 0.01)


def test_labels_are_read_or_refused_by_row():
    rows = [
        {"text": "a", "label": "Good"},
        {"text": "b", "label": ""},
        {"text": "c", "label": "0.25"},
        {"text": "d", "label": 0},
    ]
    assert [(e.text, e.target) for e in quality.read_labels(rows, "l")] == [("a", 1.0), ("c", 0.25), ("d", 0.0)]
    with pytest.raises(DataError, match="row 1 of l.jsonl is labelled 'fine'"):
        list(quality.read_labels([{"text": "a", "label": "fine"}], "l.jsonl"))


def test_colliding_columns_are_named_by_their_commoner_ngram():
    texts = ["zebra zebra zebra", "zebra"]
    column = rows_of(["zebra"], 10).columns
    assert spelled(texts, column, 10) == {int(column[0]): "zebra"}


def test_reviews_against_news_on_real_text(shared):
    with gzip.open(shared("imdb/train.jsonl.gz"), "rt", encoding="utf-8", newline="\n") as file:
        reviews = [json.loads(next(file))["text"] for _ in range(900)]
    with open(shared("ag-news/test.csv"), encoding="utf-8", newline="") as file:
        news = [" ".join(row[1:]) for row in csv.reader(file)][:900]
    judge = quality.teach(quality.merge(reviews[:300], news[:300], []), QualityConfig(good=("x",)))
    scores, good = judge.scores(reviews[300:] + news[300:]), np.repeat([True, False], 600)
    found = cal.precision_recall(scores >= 0.5, good)
    assert cal.area(scores, good)[1] > 0.99 and min(found.values()) > 0.97
    assert cal.calibration_error(scores, good.astype(float)) < 0.04


@pytest.fixture
def judged(tmp_path):
    """judged(**corpus settings) -> (audit, kept texts, folder), judges and all."""
    from idiolect.corpus.documents import read_texts
    from idiolect.rundir import read_json
    from idiolect.stages import prepared
    from idiolect.stages.job import open_job

    def run(**settings):
        settings = {
            "text": [str(tmp_path / "corpus.jsonl")],
            "validation_fraction": 0.0,
            "test_fraction": 0.0,
            **settings,
        }
        flags = [f"--corpus.{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings.items()]
        job = open_job("demo", flags, name="t", runs=tmp_path / "runs", progress=Progress.silent())
        folder = prepared.corpus(job)
        return read_json(folder / "audit.json"), list(read_texts(folder, "train")), folder

    for name, texts in (("corpus", plain(60, 5) + shouting(60, 6)), ("good", plain(50)), ("bad", shouting(50))):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return run


@pytest.mark.parametrize("keep, names", [("threshold", "threshold=0"), ("share", "share=1"), ("pareto", "keep=")])
def test_when_nothing_is_good_enough_the_setting_that_decided_is_named(keep, names):
    config = CorpusConfig(quality={"good": ("x",), "keep": keep})
    ledger = Ledger(config)
    ledger.tally.count("dropped", "low_quality", "documents", n=3)
    with pytest.raises(DataError) as error:
        check_result(config, ledger)
    assert error.value.fix.startswith(f"--corpus.quality.{names}")


def test_a_corpus_is_judged_by_what_the_user_points_to(judged, tmp_path):
    teach = {f"quality.{name}": [str(tmp_path / f"{name}.jsonl")] for name in ("good", "bad")}
    audit, kept, folder = judged(**teach)
    assert audit["dropped"]["low_quality"]["documents"] == 60 == len(kept)
    assert all("!" not in text for text in kept)
    assert audit["quality"]["kept_share"] == 0.5 and audit["quality"]["reliability"] and audit["quality"]["samples"]
    assert judged(**teach, workers=2)[2] == folder
    # Without bad text the corpus itself is the contrast.
    alone = {"quality.good": teach["quality.good"], "quality.keep": "share", "quality.share": 0.25}
    share, kept, _ = judged(**alone)
    assert share["quality"]["n_bad"] == 120 and len(kept) == 30 and not any("!" in text for text in kept)


def test_documents_to_label_come_with_empty_labels_then_the_least_certain(judged, tmp_path):
    _, _, folder = judged(**{"quality.to_label": 40})
    rows = [json.loads(line) for line in (folder / "to_label.jsonl").read_text().splitlines()]
    assert len(rows) == 40 and all(row["label"] == "" and row["score"] is None for row in rows)
    for row in rows:
        row["label"] = "bad" if "!" in row["text"] else "good"
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    audit, _, folder = judged(**{"quality.labels": str(labels), "quality.to_label": 10})
    assert audit["quality"]["n_good"] + audit["quality"]["n_bad"] == 40
    rows = [json.loads(line) for line in (folder / "to_label.jsonl").read_text().splitlines()]
    far = [abs(row["score"] - 0.5) for row in rows]
    assert far == sorted(far) and len(far) == 10


def test_perplexity_drops_what_surprises_most(judged, tmp_path):
    audit, kept, _ = judged(**{"perplexity.good": [str(tmp_path / "good.jsonl")], "perplexity.drop_worst": 0.5})
    assert audit["dropped"]["surprising"]["documents"] == pytest.approx(60, abs=1)
    assert sum("!" in text for text in kept) <= 1
    assert audit["perplexity"]["unit"] == "nats_per_byte" and audit["perplexity"]["samples"]
