"""How formats that are more than plain text are read."""

from typing import Literal

from idiolect.config import Config, field


class FormatsConfig(Config):
    """What becomes text of pages, mark-up, messages and code; and how large one of them may be."""

    pages: Literal["main", "whole"] = field(
        "main", "web pages: main (the article; menus, captions, notices of cookies left out) or whole (all visible)"
    )
    markup: Literal["keep", "plain"] = field(
        "keep", "Markdown and reStructuredText: keep the marks, as a person wrote them, or plain words"
    )
    mail: Literal["own_words", "whole"] = field(
        "own_words", "messages: own_words (quoted replies and signatures left out) or whole"
    )
    generated_code: Literal["drop", "keep"] = field("drop", "source files that a program wrote or minified")
    max_document_bytes: int = field(
        64 << 20, "one page, record, message, line or book that is larger is named and passed over", ge=1024
    )
    max_pdf_pages: int = field(20_000, "a PDF that claims more pages is refused", ge=1)
    max_pdf_seconds: int = field(300, "a PDF that takes longer is given up, between two pages", ge=1)
    max_members: int = field(1_000_000, "an archive with more members is refused", ge=1)
