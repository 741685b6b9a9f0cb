"""Vectors through the whole journey: prepared once, in the model before its first step, held, shown, in the report."""

import json
import shutil

import numpy as np
import pytest

from idiolect.cli import main
from idiolect.config import flatten
from idiolect.embeddings.fit import fit
from idiolect.embeddings.match import spellings
from idiolect.models.build import build_model
from idiolect.models.token_embedding import embedding_rows
from idiolect.progress import Progress
from idiolect.recipe import load_recipe
from idiolect.stages.job import open_job
from idiolect.stages.prepared import learned_from
from idiolect.stages.training import deciding_settings
from idiolect.stages.vectors import start
from idiolect.stages.weights import load_model, pick_checkpoint
from tests.embeddings.conftest import as_text, vectors
from tests.journey.conftest import RECIPE, WORDS, write_text

KNOWN = [*WORDS, "."]
ROWS = vectors(len(KNOWN), 32, seed=4)
WORDS_RECIPE = RECIPE.replace('kind = "character"', 'kind = "word"').replace("dropout = 0.1", "tied_head = true")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Text, a file of vectors for its words, and a recipe of words that starts from it, trained with frozen vectors."""
    folder = tmp_path_factory.mktemp("vectors")
    write_text(folder / "text")
    (folder / "words.txt").write_bytes(as_text(KNOWN, ROWS, header=False))
    (folder / "few.txt").write_bytes(as_text(KNOWN[:6], ROWS[:6], header=False))
    (folder / "mine.toml").write_text(WORDS_RECIPE + '\n[embeddings]\nsource = "words.txt"\nfrozen_steps = 20\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "mine.toml", "--quiet"]) == 0
    return folder


@pytest.fixture
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def job_of(target: str, *flags: str):
    return open_job(target, flags, name=None, runs="runs", progress=Progress.silent(), trained=True)


def embedding_at(job, ready, which: str) -> np.ndarray:
    return embedding_rows(load_model(job, ready.vocabulary_of(job.recipe), pick_checkpoint(job, which)))


def test_the_vectors_stand_in_their_rows_before_the_first_step(there):
    job = job_of("runs/mine")
    ready = learned_from(job)
    found = embedding_rows(start(job, ready))
    texts = spellings(ready.tokenizer)
    rows_N = np.load(ready.vectors / "rows.npy")
    drawn = embedding_rows(build_model(job.recipe.model, ready.vocabulary_of(job.recipe), job.recipe.seed))
    rms = float(np.sqrt(np.mean(drawn.astype(np.float64) ** 2)))
    source = np.stack([ROWS[KNOWN.index(texts[i].strip().lower())] for i in rows_N])
    np.testing.assert_allclose(found[rows_N], fit(source, 32, rms, job.recipe.embeddings), rtol=1e-4, atol=1e-7)
    others = np.setdiff1d(np.arange(len(found)), rows_N)
    np.testing.assert_array_equal(found[others], drawn[others])
    assert len(rows_N) >= len(KNOWN)


def test_they_are_held_as_long_as_the_recipe_says(there):
    job = job_of("runs/mine")
    ready = learned_from(job)
    begun = embedding_rows(start(job, ready))
    np.testing.assert_array_equal(embedding_at(job, ready, "20"), begun)
    assert not np.array_equal(embedding_at(job, ready, "30"), begun)


def test_the_run_knows_its_vectors_by_content_and_by_no_path(there):
    lineage, record = (
        json.loads((there / f"runs/mine/{name}").read_text()) for name in ("lineage.json", "training.json")
    )
    assert lineage["vectors"] == record["decides"]["vectors"] and lineage["stages"]["embeddings"].startswith(
        "embeddings-"
    )
    assert record["decides"]["embeddings.frozen_steps"] == 20
    assert not any("source" in key for key in record["decides"] if key.startswith("embeddings."))
    for path in [*(there / "runs/mine").glob("*.json"), *(there / "runs/prepared").glob("embeddings-*/*.json")]:
        assert str(there) not in path.read_text(), path.name


def test_doing_it_again_does_nothing_wherever_the_file_lies(there, capsys):
    shutil.copy("words.txt", "elsewhere.txt")
    assert main(["train", "mine.toml", f"--embeddings.source={there / 'elsewhere.txt'}"]) == 0
    said = capsys.readouterr().err
    assert "embeddings: nothing to do" in said and "training: nothing to do" in said


def test_other_vectors_begin_another_training(there, tmp_path, capsys):
    shutil.copytree(there / "runs", tmp_path / "runs")
    other = as_text(KNOWN, ROWS + 1e-3 * vectors(len(KNOWN), 32, seed=9), header=False)
    (tmp_path / "other.txt").write_bytes(other)
    common = ["train", "mine.toml", "--runs", str(tmp_path / "runs"), f"--embeddings.source={tmp_path / 'other.txt'}"]
    assert main(common) == 0
    assert "vectors changed" in capsys.readouterr().err
    assert (tmp_path / "runs/mine.1/training.json").exists()


def test_a_killed_stage_is_made_anew(there, tmp_path, monkeypatch, capsys):
    from idiolect.embeddings import match

    shutil.copytree(there / "runs/prepared", tmp_path / "runs/prepared")
    stood = next((tmp_path / "runs/prepared").glob("embeddings-*[0-9a-f]"))
    shutil.rmtree(stood)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(match, "coverage", killed)
        assert main(["prepare", "mine.toml", "--runs", str(tmp_path / "runs"), "--quiet"]) == 75
    assert not stood.exists()
    assert main(["prepare", "mine.toml", "--runs", str(tmp_path / "runs"), "--quiet"]) == 0
    assert (stood / "vectors.npy").exists()


def test_showing_them(there, ask):
    (there / "analogies.txt").write_text(": all\ncat dog bird tree\ncat dog bird nonesuch\n")
    (there / "pairs.tsv").write_text("cat\tdog\t9\nbird\ttree\t2\nhouse\triver\t4\nbig\tsmall\t8\n")
    code, found = ask(
        "show", "runs/mine", "--embeddings", "--words", "cat,nonesuch", "--analogy", "cat:dog::bird",
        "--analogies", "analogies.txt", "--similarities", "pairs.tsv",
    )  # fmt: skip
    assert code == 0 and found["source"] == "words.txt" and found["coverage"]["coverage"] > 0.9
    assert len(found["neighbours"]["cat"]) == 8 and found["neighbours"]["nonesuch"] is None
    assert found["analogies"][0]["c"] == "bird" and found["analogies"][0]["nearest"]
    assert (found["analogies_score"]["n"], found["similarities_score"]["n"]) == (1, 4)
    assert -1 <= found["drift"]["mean_cosine"] < 1
    same, again = ask("show", "runs/mine", "--what", "embeddings", "--words", "cat,nonesuch")
    assert same == 0 and again["neighbours"] == found["neighbours"] and again["drift"] == found["drift"]


def test_frozen_for_ever_there_is_no_drift(there, ask):
    assert main(["train", "mine.toml", "--name", "still", "--embeddings.frozen_steps=30", "--quiet"]) == 0
    _, found = ask("show", "runs/still", "--embeddings")
    assert found["drift"]["mean_cosine"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("analogy", ["", "a:b", "a:b:c", "a::b", "::", "a:b::c:d", "a:b::"])
def test_an_analogy_that_is_none_is_a_usage_error(there, ask, analogy):
    assert ask("show", "runs/mine", "--embeddings", "--analogy", analogy)[0] == 2


def test_a_word_without_a_vector_is_a_data_error_that_says_why_it_has_none(there, ask):
    assert ask("show", "runs/mine", "--embeddings", "--analogy", "cat:dog::nonesuch")[0] == 3
    assert "nonesuch" in ask.stderr and "too rare in the text, or never there" in ask.stderr


def test_random_vectors_of_characters_are_shown_too(here, ask):
    code, found = ask("show", "runs/mine", "--embeddings", "--words", "e")
    assert code == 0 and found["source"] == "random" and found["coverage"] == {} and found["neighbours"]["e"]
    report = (here / "runs/mine/report.html").read_text()
    assert "chart-map" in report and "at random" in report


def test_the_report_has_coverage_map_and_drift(there):
    report = (there / "runs/mine/report.html").read_text()
    for words in ("from words.txt", "chart-map", "Drift: cosine", "nearest, with their cosines"):
        assert words in report, words


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--embeddings.source=absent.txt"], 3, "there are no vectors at absent.txt"),
        (["--embeddings.source=mine.toml"], 3, "holds no word vectors"),
        (["--model.d_model=48"], 2, "--model.d_model=32"),
        (["--tokenizer.kind=character"], 3, "--tokenizer.kind=word"),
        (["--embeddings.source=few.txt"], 3, "of the vocabulary has a vector"),
        (["--embeddings.format=word2vec_binary"], 3, "its first line"),
    ],
)
def test_what_can_t_be_is_refused_before_anything_is_trained(there, ask, flags, code, says):
    assert ask("train", "mine.toml", "--name", "refused", *flags)[0] == code
    assert says in ask.stderr and "try:" in ask.stderr
    assert not (there / "runs/refused/checkpoints").exists()


def test_another_width_can_be_projected(there, ask):
    flags = ["--embeddings.width=project", "--train.steps=2", "--name", "wide"]
    for width in ("16", "48"):
        assert ask("train", "mine.toml", f"--model.d_model={width}", *flags)[0] == 0


def test_vectors_of_the_own_corpus(there, ask):
    pytest.importorskip("gensim")
    flags = ["--embeddings.source=corpus", "--tokenizer.kind=bpe", "--tokenizer.vocabulary_size=300"]
    code, _ = ask("train", "mine.toml", "--name", "own", *flags, "--train.steps=3", "--embeddings.frozen_steps=3")
    assert code == 0
    _, found = ask("show", "runs/own", "--embeddings")
    assert found["source"] == "corpus" and found["coverage"]["token_coverage"] > 0.95
    assert found["drift"]["mean_cosine"] == pytest.approx(1, abs=1e-6)


def test_an_older_runs_settings_are_not_disturbed():
    """A run that was trained before vectors were known decides by the same settings as today's without any."""
    usual = deciding_settings(flatten(load_recipe(None).config))
    assert not any(key.startswith("embeddings.") for key in usual)
    held = deciding_settings(flatten(load_recipe(None, ["embeddings.frozen_steps=5"]).config))
    assert held == usual | {"embeddings.frozen_steps": 5}


def test_a_trained_run_outlives_its_file_of_vectors(there, tmp_path, ask):
    shutil.copytree(there / "runs", tmp_path / "runs")
    for folder in (tmp_path / "runs/prepared").glob("embeddings-*"):
        shutil.rmtree(folder, ignore_errors=True)
    code, found = ask("evaluate", str(tmp_path / "runs/mine"), "--embeddings.source=gone.txt")
    assert code == 0 and found["splits"]
    assert ask("show", str(tmp_path / "runs/mine"), "--embeddings", "--embeddings.source=gone.txt")[0] == 3
    assert "are gone" in ask.stderr and "idiolect prepare" in ask.stderr
    (tmp_path / "runs/mine/embeddings.json").unlink()
    assert ask("report", str(tmp_path / "runs/mine"), "--embeddings.source=gone.txt")[0] == 0
