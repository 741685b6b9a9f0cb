"""What is mended in each text before anything judges it."""

from typing import Literal

from idiolect.config import Config, field


class CleanConfig(Config):
    """Characters are mended; what a person wrote stays."""

    repair_mojibake: bool = field(True, "undo text that was decoded wrongly once before (Ã© back to é)")
    unescape_html: bool = field(False, "turn &amp; and its like back into characters, even outside HTML")
    straighten_quotes: bool = field(False, "replace curly quotes by straight ones")
    unicode_form: Literal["none", "NFC", "NFKC"] = field("NFC", "one spelling for characters that have several")
    control_characters: Literal["remove", "keep"] = field("remove", "invisible control characters and stray BOMs")
    unify_line_ends: bool = field(True, "make every line end a single newline")
