"""What a preparation has done is kept until its result is safe, and not a moment longer."""

import shutil

import pytest

from idiolect.cli import main
from idiolect.corpus.audit import profile


@pytest.fixture
def command(tmp_path):
    (tmp_path / "text.txt").write_text("\n\n".join(f"Paragraph {n} says that {n * n} is a square." for n in range(400)))
    (tmp_path / "mine.toml").write_text(f'[corpus]\ntext = ["{tmp_path / "text.txt"}"]\n')
    return ["prepare", str(tmp_path / "mine.toml"), "--runs", str(tmp_path / "runs")]


def test_stopped_before_the_result_is_safe_nothing_is_read_again(command, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(profile, "profile", stopped)
        assert main(command) == 75
    (parts,) = (tmp_path / "runs/prepared").glob("corpus-*.parts")
    assert list(parts.rglob("part-*.parquet")) and list(parts.glob("pieces/piece-*.parquet"))
    capsys.readouterr()
    assert main(command) == 0
    assert "going on after" in capsys.readouterr().err and not parts.exists()


def test_what_a_stop_just_after_leaves_is_cleared(command, tmp_path):
    assert main(command) == 0
    (stood,) = (tmp_path / "runs/prepared").glob("corpus-*[0-9a-f]")
    left = stood.with_name(f"{stood.name}.parts")
    shutil.copytree(stood, left)
    assert main(command) == 0
    assert stood.exists() and not left.exists()
