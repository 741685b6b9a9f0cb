"""What only an author knows of a corpus: a TOML file of `key = "answer"`, for the datasheet and the public summary."""

import difflib
import tomllib
from pathlib import Path

from idiolect.corpus.audit.questions import SECTIONS
from idiolect.corpus.audit.template import ASKED
from idiolect.errors import RecipeError

KEYS = frozenset(key for _, questions in SECTIONS for key, _ in questions) | frozenset(ASKED)


def read_answers(path: str) -> dict[str, str]:
    """The answers of a file by their keys; empty for no file. Raises RecipeError: no such file, TOML or key."""
    if not path:
        return {}
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(
            f"corpus.about = {path!r} can't be read",
            why=getattr(error, "strerror", None) or str(error),
            fix='--corpus.about="" or a file of lines such as: purpose = "to learn how to train"',
        ) from None
    for key, value in found.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, 0.5)
            raise RecipeError(
                f"{path}: {key} answers no question" + (f"; did you mean {near[0]}?" if near else ""),
                why="an answer that nobody asks for would be lost silently",
                fix="the keys stand in datasheet.md and public-summary.md, beside what is not answered",
            )
        if not isinstance(value, str):
            raise RecipeError(
                f"{path}: {key} is no text", why="an answer is a sentence in quotes", fix=f'{key} = "yes, because ..."'
            )
    return {key: value.strip() for key, value in found.items() if value.strip()}
