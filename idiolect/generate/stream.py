"""Token ids, as they are drawn, become text that may be shown: whole characters only, and nothing of a stop string.

    ids -> Characters (holds back half a character) -> StopStrings (holds back what may become a stop string) -> text

Both hold back only what they must, so the text appears as early as it can, and neither depends on how the text was cut
into tokens: tests/generate/test_stream.py cuts the same text in every way.
"""

import codecs
from collections.abc import Sequence
from typing import Any, Protocol


class Characters(Protocol):
    """What turns ids into whole characters; `finish` gives what is left when no more ids come."""

    def push(self, token_id: int) -> str: ...

    def finish(self) -> str: ...


class CharactersFromBytes:
    """For tokenizers whose tokens are pieces of UTF-8: bytes are joined, and a split character waits for its rest.

    Bytes that can never become a character are shown as U+FFFD, exactly as `bytes.decode(errors="replace")` would.
    """

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        return self._decoder.decode(self._tokenizer.decode_bytes([token_id]))

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


class CharactersFromText:
    """For tokenizers whose text is not the tokens' bytes put together (joined words, dropped spaces).

    A token's text is what decoding gains by it, read after the few tokens before it, the end of the prompt included,
    because they decide whether a space stands between.
    """

    N_BEFORE = 8

    def __init__(self, tokenizer, prompt_ids: Sequence[int]):
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids[-self.N_BEFORE :])
        self._before = tokenizer.decode(self._ids) if self._ids else ""

    def push(self, token_id: int) -> str:
        self._ids.append(token_id)
        text = self._tokenizer.decode(self._ids)
        # A replacement character at the end may be a byte token waiting for the next one.
        if text.endswith("\ufffd") or not text.startswith(self._before):
            return ""
        return self._take(text)

    def finish(self) -> str:
        text = self._tokenizer.decode(self._ids) if self._ids else ""
        return self._take(text)

    def _take(self, text: str) -> str:
        piece = text[len(self._before) :]
        self._ids = self._ids[-self.N_BEFORE :]
        self._before = self._tokenizer.decode(self._ids)
        return piece


def characters_of(tokenizer: Any, prompt_ids: Sequence[int]) -> Characters:
    """The way this tokenizer's ids become characters: by their bytes wherever those don't depend on the neighbours."""
    if tokenizer.kind in ("wordpiece", "file"):
        return CharactersFromText(tokenizer, prompt_ids)
    return CharactersFromBytes(tokenizer)


class StopStrings:
    """Lets text through up to the first stop string that is complete; of several, the one that ends first."""

    def __init__(self, stop: Sequence[str]):
        self._stop = tuple(stop)
        self._longest = max(map(len, self._stop), default=0)
        self._held = ""
        self.reached = False

    def push(self, text: str) -> str:
        """The text that can no longer become part of a stop string; after `reached` there is no more."""
        if self.reached or not text:
            return ""
        if not self._stop:
            return text
        text = self._held + text
        # The end decides, then the start: so the result doesn't depend on how many characters came at once.
        found = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.reached, self._held = True, ""
            return text[: min(found)[1]]
        keep = self._n_held(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back, now that it can't become a stop string any more."""
        held, self._held = self._held, ""
        return held

    def _n_held(self, text: str) -> int:
        for n in range(min(self._longest - 1, len(text)), 0, -1):
            tail = text[-n:]
            if any(stop.startswith(tail) for stop in self._stop):
                return n
        return 0


class TextStream:
    """One row's ids as text: `push` gives the next piece to show, `text` is all that was shown."""

    def __init__(self, characters: Characters, stop: Sequence[str]):
        self._characters, self._stop = characters, StopStrings(stop)
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(self._pieces)

    @property
    def reached_stop(self) -> bool:
        """Whether a stop string is complete; the text ends before it."""
        return self._stop.reached

    def push(self, token_id: int) -> str:
        """The next piece to show, often empty."""
        return self._show(self._stop.push(self._characters.push(token_id)))

    def finish(self) -> str:
        """The last piece: half characters as U+FFFD, and text held back for a stop string that never came."""
        rest = self._stop.push(self._characters.finish())
        return self._show(rest + self._stop.finish())

    def _show(self, piece: str) -> str:
        if piece:
            self._pieces.append(piece)
        return piece
