"""What is mended in each text before anything judges it, what is hidden in it, and what may be taken from it."""

from typing import Literal

from idiolect.config import Config, Items, field

PiiAction = Literal["keep", "mask", "drop"]


class CleanConfig(Config):
    """Characters are mended; what a person wrote stays, unless lines or words are asked to go."""

    repair_mojibake: bool = field(True, "undo text that was decoded wrongly once before (Ã© back to é)")
    unescape_html: bool = field(False, "turn &amp; and its like back into characters, even outside HTML")
    straighten_quotes: bool = field(False, "replace curly quotes by straight ones")
    unicode_form: Literal["none", "NFC", "NFKC"] = field("NFC", "one spelling for characters that have several")
    control_characters: Literal["remove", "keep"] = field("remove", "invisible control characters and stray BOMs")
    unify_line_ends: bool = field(True, "make every line end a single newline")

    invisible_characters: Literal["remove", "keep"] = field(
        "remove", "soft hyphens, zero-width and direction characters, but where a script or an emoji needs them"
    )
    odd_spaces: bool = field(False, "make non-breaking, thin and wide spaces ordinary ones")
    trailing_space: bool = field(False, "remove white space before a line's end")
    space_runs: bool = field(False, "make several spaces inside a line one; what a line begins with stays")
    blank_lines: int = field(0, "most blank lines in a row that stay; 0 leaves them as they are", ge=0)
    join_hyphens: bool = field(False, "join words that were cut at a line's end, as in the text of PDFs")
    repeated_lines: bool = field(False, "remove headers, footers and page numbers of pages parted by form feeds")
    repeated_on_pages: float = field(0.4, "share of the pages that a header or footer stands on", gt=0, le=1)
    boilerplate_lines: bool = field(False, "remove lines about cookies, sharing, reading on ... (boilerplate.toml)")
    boilerplate_characters: int = field(160, "longer lines are never taken for boilerplate", ge=1)
    gutenberg_licence: bool = field(False, "remove Project Gutenberg's header, footer and licence")

    lowercase: bool = field(False, "make every letter small; the model will never write a capital")
    remove_punctuation: bool = field(False, "remove punctuation and symbols; the model will never write them")
    remove_stop_words: bool = field(False, "remove the commonest words of the document's language")
    stop_words: Items[str] = field((), "remove these instead of the stop words of the document's language")
    stem: bool = field(False, "cut words to their stems (Snowball), in the document's language")
    lemmatise: bool = field(False, "replace words by their dictionary forms (simplemma), in the document's language")

    @property
    def transforms(self) -> tuple[str, ...]:
        """The transforms that are on, in the order in which they are made."""
        names = ("lemmatise", "remove_stop_words", "lowercase", "stem", "remove_punctuation")
        return tuple(name for name in names if getattr(self, name))


class PiiConfig(Config):
    """What could name or harm a person: each kind is kept, masked, or drops its document."""

    mail: PiiAction = field("keep", "mail addresses, masked as [mail address]")
    ip: PiiAction = field("keep", "IPv4 and IPv6 addresses, masked as [IP address]")
    phone: PiiAction = field("keep", "phone numbers, masked as [phone number]")
    card: PiiAction = field("keep", "payment card numbers with a right check digit, masked as [card number]")
    iban: PiiAction = field("keep", "bank accounts (IBAN) with right check digits, masked as [bank account]")
    key: PiiAction = field("keep", "private keys, access tokens and passwords, masked as [secret key]")
    ssn: PiiAction = field("keep", "US social security numbers, masked as [social security number]")
    private_ip: bool = field(False, "treat private, loopback and documentation addresses like public ones")
    key_bits: float = field(3.0, "bits a character, the least of what follows api_key= to be a secret", ge=0, le=8)
    key_characters: int = field(16, "characters, the least of what follows api_key= to be a secret", ge=4)
    count_kept: bool = field(True, "count what is kept, too, so that the audit can tell what is in the text")
