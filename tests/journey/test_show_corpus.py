"""`idiolect show corpus`, as a user types it, and what `prepare` leaves beside a corpus for people."""

import json
import re
import shutil

import pytest

from idiolect.cli import main, parse
from idiolect.errors import RecipeError
from tests.journey.conftest import RECIPE, write_text

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m \u202egnp.exe </script><img src=x onerror=alert(1)> write to jane@example.org"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A prepared corpus with a duplicate, an empty file, and a text that attacks whoever looks at it."""
    folder = tmp_path_factory.mktemp("shown")
    write_text(folder / "text", 60)
    (folder / "text/twin.txt").write_text((folder / "text/000.txt").read_text())
    (folder / "text/evil.txt").write_text(f"{HOSTILE} and more words, so that it is long enough.")
    (folder / "text/none.txt").write_text("")
    recipe = RECIPE.replace("[tokenizer]", 'clean.control_characters = "keep"\nclean.invisible_characters = "keep"\n'
                            "licence = \"CC0-1.0\"\nabout = \"about.toml\"\n[tokenizer]")  # fmt: skip
    (folder / "mine.toml").write_text(recipe)
    (folder / "about.toml").write_text('purpose = "to be looked at"\nprovider = "nobody"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["prepare", "mine.toml", "--quiet"]) == 0
    return folder


@pytest.fixture
def shown(there, monkeypatch, capsys):
    """shown(*arguments) -> (exit code, the JSON of its last line or None, all it printed)."""
    monkeypatch.chdir(there)

    def run(*arguments):
        capsys.readouterr()
        code = main(["show", *arguments])
        said = capsys.readouterr()
        last = said.out.strip().splitlines()[-1] if said.out.strip() else ""
        return code, json.loads(last) if "--json" in arguments and code == 0 else None, said.out + said.err

    return run


def test_the_first_word_says_what_is_shown():
    assert parse(["show", "corpus", "mine.toml"]).options["what"] == "corpus"
    assert parse(["show", "corpus", "mine.toml", "--split", "train"]).target == "mine.toml"
    assert parse(["show", "mine.toml", "--what", "corpus"]).options["what"] == "corpus"
    assert parse(["show", "mine.toml"]).options["what"] == "settings"
    with pytest.raises(RecipeError, match="one argument too many"):
        parse(["show", "corpus", "mine.toml", "other.toml"])


def test_the_books(shown):
    code, audit, _ = shown("corpus", "mine.toml", "--json")
    assert code == 0 and audit["read"]["documents"] == 62
    code, _, said = shown("corpus", "mine.toml")
    assert code == 0 and "62 documents in 62 files went in; 61 are kept" in said.replace("\u202f", " ")
    for words in ("duplicate", "equal to an earlier document", "CC0-1.0", "none.txt", "validation"):
        assert words in said, words


def test_a_recipe_a_folder_and_a_run_show_the_same(shown, there):
    folder = next(p for p in (there / "runs/prepared").glob("corpus-*") if p.is_dir())
    _, by_recipe, _ = shown("corpus", "mine.toml", "--split", "test", "--json")
    _, by_folder, _ = shown("corpus", str(folder), "--split", "test", "--json")
    assert by_recipe == by_folder and by_recipe["documents"]


def test_a_run_shows_the_text_it_learned_from(finished, monkeypatch, capsys, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    shutil.rmtree("text")
    assert main(["show", "corpus", "runs/mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["read"]["documents"] == 120
    report = (tmp_path / "copy/runs/mine/report.html").read_text()
    link = re.search(r'href="(\.\./prepared/audit-[0-9a-f]{16}/audit\.html)"', report)[1]
    assert (tmp_path / "copy/runs/mine" / link).is_file()


def test_documents_by_what_they_are(shown):
    assert len(shown("corpus", "mine.toml", "--split", "train", "--json")[1]["documents"]) == 10
    _, dropped, _ = shown("corpus", "mine.toml", "--reason", "duplicate", "--json")
    assert [row["source"] for row in dropped["documents"]] == ["text/twin.txt"]
    _, one, _ = shown("corpus", "mine.toml", "--source", "text/003.txt", "--json")
    assert len(one["documents"]) == 1
    _, found, _ = shown("corpus", "mine.toml", "--search", "long enough", "--json")
    assert [row["source"] for row in found["documents"]] == ["text/evil.txt"]
    _, again, _ = shown("corpus", "mine.toml", "--id", found["documents"][0]["id"], "--json")
    assert again == found


def test_a_sample_depends_on_the_seed(shown):
    first = shown("corpus", "mine.toml", "--sample", "5", "--json")[1]
    assert first == shown("corpus", "mine.toml", "--sample", "5", "--json")[1] and len(first["documents"]) == 5
    assert first != shown("corpus", "mine.toml", "--sample", "5", "--seed", "3", "--json")[1]


@pytest.mark.parametrize("arguments", [(), ("--search", "long enough"), ("--search", "long enough", "--json")])
def test_no_text_reaches_the_terminal_s_controls(shown, arguments):
    code, found, said = shown("corpus", "mine.toml", *arguments)
    assert code == 0 and not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    if "--json" in arguments:
        assert found["documents"][0]["text"].startswith("\x1b]0;owned\x07")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--split", "tset"], "is no split"),
        (["--reason", "ugly"], "nothing was dropped as ugly"),
        (["--search", "("], "not a regular expression"),
        (["--sample", "many"], "is no number of documents"),
        (["--out", "x.md"], "nothing to write"),
        (["--datasheet", "--corpus.about=none.toml"], "can't be read"),
    ],
)
def test_mistakes_are_answered_in_three_lines(shown, arguments, words):
    code, _, said = shown("corpus", "mine.toml", *arguments)
    assert code == 2 and words in said and "  try: " in said and "Traceback" not in said


def test_papers_are_written_where_they_are_wanted(shown, there):
    for paper, words in (("datasheet", "to be looked at"), ("summary", "nobody")):
        code, found, _ = shown("corpus", "mine.toml", f"--{paper}", "--out", f"out/{paper}.md", "--json")
        text = (there / f"out/{paper}.md").read_text()
        assert code == 0 and found == {paper: f"out/{paper}.md"} and words in text
        name = {"datasheet": "datasheet.md", "summary": "public-summary.md"}[paper]
        assert text == next((there / "runs/prepared").glob(f"audit-*/{name}")).read_text()
        assert words in shown("corpus", "mine.toml", f"--{paper}")[2]


def test_what_stands_beside_the_corpus_names_no_place_and_no_person(there):
    files = [path for path in (there / "runs/prepared").glob("audit-*/*") if path.suffix in (".html", ".md", ".json")]
    files += list((there / "runs/prepared").glob("corpus-*/audit.json"))
    assert len(files) >= 6
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert str(there) not in text and "jane@example.org" not in text, path
        assert "<img" not in text or path.suffix == ".json", path


def test_another_answer_makes_new_papers_and_no_new_corpus(there, monkeypatch, capsys):
    monkeypatch.chdir(there)
    (there / "other.toml").write_text('purpose = "another"\n')
    assert main(["prepare", "mine.toml", "--corpus.about=other.toml"]) == 0
    said = capsys.readouterr().err
    assert "corpus: nothing to do" in said and "shards: nothing to do" in said and "audit: nothing to do" not in said
    assert main(["prepare", "mine.toml", "--corpus.about=other.toml"]) == 0
    assert "audit: nothing to do" in capsys.readouterr().err
