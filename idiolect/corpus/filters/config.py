"""The rules by which documents are judged, each with its published threshold. In all of them 0 switches a rule off."""

from idiolect.config import Config, Items, field


class LanguageConfig(Config):
    """Which language each document is in, and which are kept."""

    identify: bool = field(True, "record each document's language, unless corpus.language says it")
    keep: Items[str] = field((), "languages to keep (en, de, ...); empty keeps all")
    min_score: float = field(0.65, "with `keep`, documents identified less surely than this are dropped", ge=0, le=1)
    min_letters: int = field(12, "texts with fewer letters are `und`, of undetermined language", ge=1)
    min_letter_share: float = field(0.3, "texts of which less than this is letters are `und`, too", ge=0, le=1)
    sample_characters: int = field(300, "characters looked at: head, middle and tail of longer texts", ge=60)


class GopherConfig(Config):
    """MassiveText's rules: is this prose, and does it repeat itself? (Rae et al. 2021, appendix A.1)"""

    use: bool = field(False, "judge documents by these rules")
    min_words: int = field(50, "fewer words than this, symbols not counted, fail", ge=0)
    max_words: int = field(100_000, "more words than this, symbols not counted, fail", ge=0)
    min_mean_word_length: float = field(3.0, "a shorter mean word fails (not in scripts without spaces)", ge=0)
    max_mean_word_length: float = field(10.0, "a longer mean word fails (not in scripts without spaces)", ge=0)
    max_hashes: float = field(0.1, "more # for each word fail", ge=0)
    max_ellipses: float = field(0.1, "more ellipses for each word fail", ge=0)
    max_bullet_lines: float = field(0.9, "a greater share of lines that start with a bullet fails", ge=0, le=1)
    max_ellipsis_lines: float = field(0.3, "a greater share of lines that end with an ellipsis fails", ge=0, le=1)
    min_alphabetic_words: float = field(0.8, "a smaller share of words with a letter in them fails", ge=0, le=1)
    min_stop_words: int = field(2, "fewer different stop words of the document's language fail", ge=0)
    max_repeated_lines: float = field(0.3, "a greater share of lines seen before in the document fails", ge=0, le=1)
    max_repeated_paragraphs: float = field(0.3, "a greater share of paragraphs seen before fails", ge=0, le=1)
    max_repeated_line_characters: float = field(0.2, "a greater share of characters in such lines fails", ge=0, le=1)
    max_repeated_paragraph_characters: float = field(0.2, "the same for paragraphs", ge=0, le=1)
    max_top_2_gram: float = field(0.2, "a greater share of characters in the commonest pair of words fails", ge=0)
    max_top_3_gram: float = field(0.18, "the same for three words in a row", ge=0)
    max_top_4_gram: float = field(0.16, "the same for four", ge=0)
    max_repeated_5_grams: float = field(0.15, "a greater share of characters in repeated runs of 5 words fails", ge=0)
    max_repeated_6_grams: float = field(0.14, "the same for runs of 6", ge=0)
    max_repeated_7_grams: float = field(0.13, "the same for runs of 7", ge=0)
    max_repeated_8_grams: float = field(0.12, "the same for runs of 8", ge=0)
    max_repeated_9_grams: float = field(0.11, "the same for runs of 9", ge=0)
    max_repeated_10_grams: float = field(0.10, "the same for runs of 10", ge=0)


class C4Config(Config):
    """C4's rules (Raffel et al. 2020, section 2.2, and the code that made the corpus): lines go first, then pages."""

    use: bool = field(False, "edit and judge documents by these rules")
    terminal_punctuation: bool = field(True, 'remove lines that do not end in one of . ? ! " or that end in ...')
    min_line_words: int = field(3, "remove lines of fewer words", ge=0)
    max_word_length: int = field(1000, "remove lines with a longer word", ge=0)
    citations: bool = field(True, "remove marks such as [1], [edit] and [citation needed]")
    javascript: bool = field(True, "remove lines that mention Javascript")
    policy: bool = field(True, "remove lines about cookies, privacy policies and terms of use")
    lorem_ipsum: bool = field(True, "drop documents with lorem ipsum in them")
    curly_bracket: bool = field(True, "drop documents with a curly bracket in them")
    min_sentences: int = field(5, "drop documents of fewer sentences", ge=0)


class FineWebConfig(Config):
    """FineWeb's own rules, chosen by what they did for a model (Penedo et al. 2024, section 3.5)."""

    use: bool = field(False, "judge documents by these rules")
    min_punctuated_lines: float = field(0.12, "a smaller share of lines that end in punctuation fails", ge=0, le=1)
    max_short_lines: float = field(0.67, "a greater share of short lines fails", ge=0, le=1)
    short_line_characters: int = field(30, "up to so many characters, a line is short", ge=1)
    max_repeated_characters: float = field(0.01, "a greater share of characters in repeated lines fails", ge=0, le=1)
    max_newlines: float = field(0.3, "more line ends for each word fail: a list", ge=0)


class WordsConfig(Config):
    """Documents with words from your lists. None is shipped; docs/corpus.md tells whom such lists silence."""

    files: Items[str] = field((), "lists, a word or phrase a line; de:PATH applies to documents in German only")
    min_hits: int = field(1, "documents with at least so many of them fail", ge=1)
    min_share: float = field(0.0, "and at least this share of their words, or they pass", ge=0, le=1)


class FilterConfig(Config):
    """What documents must be like to be kept; nothing is dropped unless you ask."""

    language: LanguageConfig = field(LanguageConfig(), "language identification")
    gopher: GopherConfig = field(GopherConfig(), "MassiveText's rules")
    c4: C4Config = field(C4Config(), "C4's rules")
    fineweb: FineWebConfig = field(FineWebConfig(), "FineWeb's rules")
    words: WordsConfig = field(WordsConfig(), "lists of unwanted words")
