"""Mail: a message's subject above its own words.

Attachments are left alone; quoted replies and signatures are others' words, or the same words again.
"""

import email
import email.policy
import re
from email.message import EmailMessage

from idiolect.corpus.extract import BadDocument, as_bytes, html
from idiolect.corpus.extract.config import FormatsConfig

WROTE = re.compile(r"\s*(?:On .{5,120} wrote:|Am .{5,120} schrieb.{0,80}:|Le .{5,120} a écrit\s*:)\s*")
FORWARDED = re.compile(r"-{3,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht) ?-{3,}", re.IGNORECASE)


def extract(payload: str, config: FormatsConfig) -> str:
    """Subject and words. Raises BadDocument when the message is broken, or has no text."""
    try:
        message = email.message_from_bytes(as_bytes(payload), policy=email.policy.default)
        subject, text = " ".join(str(message.get("subject", "")).split()), _body(message, config)
    except BadDocument:
        raise
    except Exception as error:  # the standard library's parser raises what it likes on broken headers and charsets
        raise BadDocument(f"it can't be parsed: {type(error).__name__}: {error}") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    words = own_words(text) if config.mail == "own_words" else text.strip()
    if not words:
        raise BadDocument("it has no words of its own")
    return f"{subject}\n\n{words}".strip()


def _body(message: EmailMessage, config: FormatsConfig) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        raise BadDocument("it has no text, attachments at most")
    text = body.get_content()
    if body.get_content_type() == "text/html":
        html.check_depth(text)
        return html.whole_text(text)
    return text


def own_words(text: str) -> str:
    """The text without quoted lines, the line that introduces them, what is forwarded, and the signature."""
    kept = []
    for line in text.split("\n"):
        # RFC 3676, section 4.3: two dashes and a space; many programs lose the space.
        if line.rstrip(" ") == "--" or FORWARDED.match(line):
            break
        if not line.startswith(">") and not WROTE.fullmatch(line):
            kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
