"""Every rule by which a document can be dropped here: what it says of the document, and the setting that turns it off.

The order is the one in which rules are asked: the first that a document fails is its reason.
"""

_GOPHER = {
    "few_words": ("fewer words than min_words", "min_words"),
    "many_words": ("more words than max_words", "max_words"),
    "short_words": ("words shorter on average than in prose", "min_mean_word_length"),
    "long_words": ("words longer on average than in prose", "max_mean_word_length"),
    "hashes": ("too many # for its words", "max_hashes"),
    "ellipses": ("too many ellipses for its words", "max_ellipses"),
    "bullets": ("nearly every line starts with a bullet", "max_bullet_lines"),
    "ellipsis_lines": ("too many lines end with an ellipsis", "max_ellipsis_lines"),
    "few_letters": ("too few words with a letter in them", "min_alphabetic_words"),
    "few_stop_words": ("too few of its language's stop words: a list, not prose", "min_stop_words"),
    "repeated_paragraphs": ("too many paragraphs come again", "max_repeated_paragraphs"),
    "repeated_paragraph_characters": ("too much of it is repeated paragraphs", "max_repeated_paragraph_characters"),
    "repeated_lines": ("too many lines come again", "max_repeated_lines"),
    "repeated_line_characters": ("too much of it is repeated lines", "max_repeated_line_characters"),
    **{f"top_{n}_gram": (f"one phrase of {n} words fills too much of it", f"max_top_{n}_gram") for n in (2, 3, 4)},
    **{
        f"repeated_{n}_grams": (f"too much of it is repeated runs of {n} words", f"max_repeated_{n}_grams")
        for n in range(5, 11)
    },
}
_C4 = {
    "few_sentences": ("fewer sentences than min_sentences once C4's lines are removed", "min_sentences=0"),
    "lorem_ipsum": ("placeholder text: lorem ipsum", "lorem_ipsum=false"),
    "curly_bracket": ("a curly bracket, as in source code", "curly_bracket=false"),
}
_FINEWEB = {
    "line_ends": ("too few lines end in punctuation", "min_punctuated_lines"),
    "short_lines": ("too many short lines", "max_short_lines"),
    "repeated_lines": ("too much of it is repeated lines", "max_repeated_characters"),
    "newlines": ("too many line ends for its words: a list", "max_newlines"),
}
REASONS = {
    "language_other": (
        "in a language that language.keep does not name",
        "--corpus.filter.language.keep=",
    ),
    "language_unsure": ("of a language identified too unsurely", "--corpus.filter.language.min_score=0"),
    **{f"gopher_{name}": (text, f"--corpus.filter.gopher.{key}=0") for name, (text, key) in _GOPHER.items()},
    **{f"c4_{name}": (text, f"--corpus.filter.c4.{setting}") for name, (text, setting) in _C4.items()},
    **{f"fineweb_{name}": (text, f"--corpus.filter.fineweb.{key}=0") for name, (text, key) in _FINEWEB.items()},
    "words_listed": ("words from the lists in corpus.filter.words.files", "--corpus.filter.words.files="),
}
