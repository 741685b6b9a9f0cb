"""Sources as tables: what each changes, what they may not say together, and what their documents are called."""

import json

import pytest

from idiolect.config_load import load
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.documents import read, read_sources
from idiolect.corpus.find import find
from idiolect.corpus.fingerprint import fingerprint_of
from idiolect.corpus.mixture.config import SourceConfig, is_mixed
from idiolect.corpus.mixture.settings import settings_of
from idiolect.corpus.prepare import prepare
from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError, RecipeError
from idiolect.progress import Progress
from idiolect.recipe import Recipe


def source(name="a", **settings):
    return SourceConfig(**{"name": name, "text": ("a",), **settings})


def corpus(*sources, **settings):
    return CorpusConfig(sources=sources, **settings)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("books", "notes"):
        (tmp_path / name).mkdir()
        for n in range(30):
            (tmp_path / name / f"{n}.txt").write_text(f"{name} number {n} says a thing of its own.")
    (tmp_path / "table.jsonl").write_text(
        "".join(json.dumps({"said": f"row {n}", "text": "no"}) + "\n" for n in range(9))
    )
    return tmp_path


MIXED = (
    source("books", text=("books",), licence="CC-BY-4.0", origin="a shelf", weight=1.0, validation_fraction=0.5),
    source("all", text=("notes", "table.jsonl"), text_columns=("said",), weight=2.0, language="de"),
)


def test_documents_carry_their_source_and_its_settings(folders):
    out = folders / "out"
    out.mkdir()
    prepare(corpus(*MIXED, test_fraction=0.0), out, Progress.silent())
    documents = {split: list(read(out, split)) for split in SPLITS}
    every = [document for kept in documents.values() for document in kept]
    assert {document.library for document in every} == {"books", "all"}
    assert {d.source for d in every if d.text.startswith("row")} == {"all/table.jsonl"}
    assert {(d.licence, d.origin) for d in every if d.library == "books"} == {("CC-BY-4.0", "a shelf")}
    assert {(d.language, d.origin) for d in every if d.library == "all"} == {("de", "")}
    held = [sum(d.library == name for d in documents["validation"]) / n for name, n in (("books", 30), ("all", 39))]
    assert 0.3 < held[0] < 0.7 and held[1] < 0.2
    assert list(read_sources(out, "train")) == [d.library for d in documents["train"]]


def test_a_file_belongs_to_the_first_source_that_names_it(folders):
    found = find(corpus(source("some", text=("books/1*.txt",)), source("rest", text=("books",))))
    assert len(found.files) == 30 and sum(file.source == "some" for file in found.files) == 11
    assert {file.name.split("/")[0] for file in found.files} == {"some", "rest"}


def test_libraries_of_the_default_corpus_are_sources():
    found = find(corpus(source("maths", text=("default:numpy", "default:sympy")), source("rest", text=("default",))))
    assert [file.name for file in found.libraries[:2]] == ["maths/numpy", "maths/sympy"]
    assert {file.name for file in found.libraries[2:]} >= {"rest/python", "rest/torch"}
    with pytest.raises(DataError, match="no 'nmpy'") as error:
        find(corpus(source("a", text=("default:nmpy",))))
    assert error.value.fix == "default:numpy"


def test_how_often_a_source_is_read_does_not_change_the_text(folders):
    before = fingerprint_of(corpus(*MIXED))
    lighter = MIXED[1].model_copy(update={"weight": 0.5, "anneal_weight": 3.0, "epochs": 2.0})
    assert fingerprint_of(corpus(MIXED[0], lighter, anneal_fraction=0.4)) == before
    other = MIXED[1].model_copy(update={"licence": "CC0-1.0"})
    assert fingerprint_of(corpus(MIXED[0], other)) != before


def test_what_a_table_leaves_out_is_the_corpus_s():
    config = corpus(source(licence="MIT"), language="de", min_characters=5, test_fraction=0.2)
    own = settings_of(config, config.sources[0])
    assert (own.licence, own.language, own.min_characters, own.test_fraction) == ("MIT", "de", 5, 0.2)
    assert own.text == ("a",) and own.sources == ()


@pytest.mark.parametrize("sources, settings, said", [
    ([source(), source()], {}, 'two sources are called "a"'),
    ([source(weight=1.0), source("b")], {}, "shares can't be compared with sizes"),
    ([source(weight=1.0), source("b", weight=2.0)], {"temperature": 0.7}, "but the sources have weights"),
    ([source(weight=0.0, anneal_weight=1.0)], {}, "every weight is 0 at the beginning"),
    ([source()], {"text": ("b",)}, "text and sources both say"),
    ([], {"temperature": 0.5}, "there are none"),
    ([source(documents="starts")], {}, 'source "a": documents = "starts" needs'),
    ([source(validation_fraction=0.9)], {"test_fraction": 0.2}, 'source "a": validation_fraction'),
])  # fmt: skip
def test_contradictions_are_worded(sources, settings, said):
    with pytest.raises(ValueError, match=said):
        corpus(*sources, **settings)


@pytest.mark.parametrize("settings, said", [
    ({"tokens": 5, "weight": 1.0}, "a quota stands instead of a weight"),
    ({"weight": 0.0}, "the weight 0 to the end"),
    ({"anneal_weight": 2.0}, "no weight to come from"),
    ({"text": ()}, "names no text"),
    ({"text": ("exact",)}, "entropy would be unknown"),
    ({"name": "a/b"}, "pattern"),
])  # fmt: skip
def test_a_table_s_own_contradictions_are_worded(settings, said):
    with pytest.raises(ValueError, match=said):
        source(**settings)


def test_one_source_without_a_dose_is_no_mixture():
    assert not is_mixed((), 1.0)
    assert not is_mixed((source(weight=3.0),), 1.0)
    assert not is_mixed((source(), source("b")), 1.0)
    assert is_mixed((source(epochs=2.0),), 1.0) and is_mixed((source(), source("b")), 0.7)


def test_a_wrong_key_of_a_table_is_named(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('[[corpus.sources]]\nname = "a"\ntext = ["b"]\nwieght = 2.0\n')
    with pytest.raises(RecipeError, match="wieght.*did you mean .*weight"):
        load(Recipe, path, [])
