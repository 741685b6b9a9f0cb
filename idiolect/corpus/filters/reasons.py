"""Every rule by which a document can be dropped here: what it says of the document, and the setting that turns it off.

The order is the one in which rules are asked: the first that a document fails is its reason. `MEASURES` has what each
rule measures, so that a person sees how far a document lay from the limit.
"""

from dataclasses import dataclass
from typing import Literal

from idiolect.corpus.filters.config import FilterConfig

_BEFORE = "that came before in it"
_GOPHER = {
    "few_words": ("fewer words than min_words", "min_words", "words"),
    "many_words": ("more words than max_words", "max_words", "words"),
    "short_words": ("words shorter on average than in prose", "min_mean_word_length", "letters a word on average"),
    "long_words": ("words longer on average than in prose", "max_mean_word_length", "letters a word on average"),
    "hashes": ("too many # for its words", "max_hashes", "# a word"),
    "ellipses": ("too many ellipses for its words", "max_ellipses", "ellipses a word"),
    "bullets": ("nearly every line starts with a bullet", "max_bullet_lines", "of its lines start with a bullet"),
    "ellipsis_lines": (
        "too many lines end with an ellipsis", "max_ellipsis_lines", "of its lines end with an ellipsis"
    ),
    "few_letters": (
        "too few words with a letter in them", "min_alphabetic_words", "of its words have a letter in them"
    ),
    "few_stop_words": (
        "too few of its language's stop words: a list, not prose", "min_stop_words",
        "different stop words of its language",
    ),
    "repeated_paragraphs": (
        "too many paragraphs come again", "max_repeated_paragraphs", f"of its paragraphs are ones {_BEFORE}"
    ),
    "repeated_paragraph_characters": (
        "too much of it is repeated paragraphs", "max_repeated_paragraph_characters",
        f"of its characters are in paragraphs {_BEFORE}",
    ),
    "repeated_lines": ("too many lines come again", "max_repeated_lines", f"of its lines are ones {_BEFORE}"),
    "repeated_line_characters": (
        "too much of it is repeated lines", "max_repeated_line_characters", f"of its characters are in lines {_BEFORE}"
    ),
    **{
        f"top_{n}_gram": (
            f"one phrase of {n} words fills too much of it", f"max_top_{n}_gram",
            f"of its characters are its commonest phrase of {n} words",
        )
        for n in (2, 3, 4)
    },
    **{
        f"repeated_{n}_grams": (
            f"too much of it is repeated runs of {n} words", f"max_repeated_{n}_grams",
            f"of its characters are in runs of {n} words {_BEFORE}",
        )
        for n in range(5, 11)
    },
}  # fmt: skip
_C4 = {
    "few_sentences": ("fewer sentences than min_sentences once C4's lines are removed", "min_sentences", "sentences"),
    "lorem_ipsum": ("placeholder text: lorem ipsum", "lorem_ipsum", "times lorem ipsum"),
    "curly_bracket": ("a curly bracket, as in source code", "curly_bracket", "curly brackets"),
}
_FINEWEB = {
    "line_ends": ("too few lines end in punctuation", "min_punctuated_lines", "of its lines end in punctuation"),
    "short_lines": ("too many short lines", "max_short_lines", "of its lines are short"),
    "repeated_lines": (
        "too much of it is repeated lines", "max_repeated_characters", f"of its characters are in lines {_BEFORE}"
    ),
    "newlines": ("too many line ends for its words: a list", "max_newlines", "line ends a word"),
}  # fmt: skip
_RULES = {
    f"{family}_{name}": (text, f"{family}.{key}", what)
    for family, rules in (("gopher", _GOPHER), ("c4", _C4), ("fineweb", _FINEWEB))
    for name, (text, key, what) in rules.items()
}
_SWITCHES = ("c4.lorem_ipsum", "c4.curly_bracket")
REASONS = {
    "language_other": (
        "in a language that language.keep does not name",
        "--corpus.filter.language.keep=",
    ),
    "language_unsure": ("of a language identified too unsurely", "--corpus.filter.language.min_score=0"),
    **{
        rule: (text, f"--corpus.filter.{key}={'false' if key in _SWITCHES else 0}")
        for rule, (text, key, _) in _RULES.items()
    },
    "words_listed": ("words from the lists in corpus.filter.words.files", "--corpus.filter.words.files="),
}


@dataclass(frozen=True)
class Measure:
    """What stands behind the number, and on which side of its limit a document falls; `from` has the limit fall, too.

    `limit` is a number, or the setting under `corpus.filter` that holds it.
    """

    what: str
    falls: Literal["below", "above", "from"]
    limit: float | str

    def fails(self, values, limit: float):
        """Whether values (numbers or arrays) lie on the wrong side; NaN, what was not asked, does not."""
        if self.falls == "below":
            return values < limit
        return values > limit if self.falls == "above" else values >= limit

    def limit_in(self, config: FilterConfig) -> float:
        """The limit that a recipe sets."""
        if not isinstance(self.limit, str):
            return self.limit
        family, name = self.limit.split(".")
        return getattr(getattr(config, family), name)


MEASURES = {
    "language_unsure": Measure("sure of its language", "below", "language.min_score"),
    **{
        rule: Measure(what, "above", 0)
        if key in _SWITCHES
        else Measure(what, "above" if ".max_" in key else "below", key)
        for rule, (_, key, what) in _RULES.items()
    },
    "words_listed": Measure("times the listed words that it takes", "from", 1),
}
