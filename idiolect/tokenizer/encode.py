"""A tokenizer in use: text to ids, ids to text, and what one must know to score it fairly.

Two files hold it: `tokenizer.json` (the library's format, which transformers and others read) and `idiolect.json`
(the kind, the special tokens, what is lost). Plain text never yields a special id, whatever it says: the special
tokens stand outside the learned vocabulary, and a text that spells one is cut so that it can't match.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.errors import DataError
from idiolect.rundir import read_json, write_atomic
from idiolect.tokenizer import engines
from idiolect.tokenizer.byte_letters import token_bytes

TOKENIZER_FILE, SETTINGS_FILE = "tokenizer.json", "idiolect.json"
FORMAT = 1
UNKNOWN_AS_TEXT = "\N{REPLACEMENT CHARACTER}".encode()


class Tokenizer:
    """Text to ids and back. Build one with `build.build`, or `Tokenizer.load` a saved folder."""

    def __init__(self, tokenizer_json: str, settings: dict):
        self._json, self._settings = tokenizer_json, settings
        self._library = LibraryTokenizer.from_str(tokenizer_json)
        self._library.encode_special_tokens = True
        self._library.no_truncation()
        self._library.no_padding()
        self._normalizer = self._library.normalizer
        self.kind: str = settings["kind"]
        self.lossless: bool = settings["lossless"]
        self.loss_note: str = settings["loss_note"]
        self.special_ids: dict[str, int] = settings["specials"]
        self.end_id: int = self.special_ids[settings["end"]]
        self.pad_id: int = self.special_ids[settings["pad"]]
        self.unknown_id: int | None = self.special_ids.get(settings["unknown"])
        self._special_set = np.array(sorted(self.special_ids.values()))
        # <|unk|> is what a lossy kind writes for text it can't spell; every other special id is out of text's reach.
        self._forbidden_ids = np.setdiff1d(self._special_set, [-1 if self.unknown_id is None else self.unknown_id])
        self._spelling = {i: text for text, i in self._library.get_vocab(with_added_tokens=True).items()}
        self.vocabulary_size: int = max(self._spelling) + 1
        self._engine = self._build_engine()

    def __repr__(self) -> str:
        return f"Tokenizer({self.kind}, vocabulary_size={self.vocabulary_size}, hash={self.hash[:12]})"

    # -- on disk

    def save(self, folder: Path) -> None:
        """Write the two files; the same tokenizer always writes the same bytes."""
        write_atomic(Path(folder) / TOKENIZER_FILE, self._json)
        write_atomic(Path(folder) / SETTINGS_FILE, _settings_text(self._settings))

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Read a saved tokenizer. Raises DataError when a file is missing or broken."""
        settings = read_json(Path(folder) / SETTINGS_FILE)
        path = Path(folder) / TOKENIZER_FILE
        if not isinstance(settings, dict) or settings.get("format") != FORMAT:
            raise DataError(
                f"{Path(folder) / SETTINGS_FILE} is not a tokenizer of this version",
                why=f"its format is not {FORMAT}",
                fix='build it again, or load its tokenizer.json with --tokenizer.kind=file --tokenizer.path="..."',
            )
        try:
            return cls(path.read_text("utf-8"), settings)
        except FileNotFoundError:
            raise DataError(f"{path} is missing", why="the tokenizer is in two files", fix="build it again") from None
        except DataError:
            raise
        except Exception as error:  # the library raises bare Exception for whatever it can't read
            raise DataError(f"{path} can't be read as a tokenizer", why=str(error), fix="build it again") from error

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 (64 hex digits) of both files: shards and checkpoints name their tokenizer by it."""
        return hashlib.sha256(f"{self._json}\0{_settings_text(self._settings)}".encode()).hexdigest()

    def parts(self) -> tuple[str, dict]:
        """What the constructor takes: a tokenizer as plain values, to be sent to another process."""
        return self._json, self._settings

    # -- text to ids

    def normalise(self, text: str) -> str:
        """The text as it will be encoded: itself, unless normalisation or lower-casing is on."""
        return text if self._normalizer is None else self._normalizer.normalize_str(text)

    def encode(self, text: str) -> np.ndarray:
        """Ids (int32) of plain text; never a special id but <|unk|>. Raises DataError for text that isn't Unicode."""
        try:
            ids = self._engine(self.normalise(text))
        except (UnicodeEncodeError, TypeError):
            return self._encode_undecodable(text)
        except Exception as error:
            if type(error) is not Exception:  # the library's own is bare
                raise
            raise DataError(
                "the tokenizer can't encode a text",
                why=f"its tokenizer.json contradicts itself: {error}",
                fix="repair the file, or train a tokenizer with --tokenizer.kind=bpe",
            ) from error
        if self._forbidden_ids.size and ids.size and np.isin(ids, self._forbidden_ids).any():
            return self._encode_apart(text)
        return ids

    def encode_batch(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Ids of each text."""
        return [self.encode(text) for text in texts]

    def encode_bytes(self, data: bytes) -> np.ndarray:
        """Ids of any bytes, valid UTF-8 or not; `decode_bytes` gives them back. Raises DataError for lossy kinds."""
        return self.encode(data.decode("utf-8", "surrogateescape"))

    def _build_engine(self) -> engines.Engine:
        if self.kind == "byte":
            return engines.byte_engine()
        if self.kind == "character":
            ids = {text: i for i, text in self._spelling.items() if len(text) == 1}
            return engines.character_engine(ids, self.unknown_id)
        # The word engine is for normalised text, so the library's own must not normalise a second time.
        fast = engines.fast_engine(self._json)
        if fast is not None:
            return fast
        library = LibraryTokenizer.from_str(self._json)
        library.encode_special_tokens = True
        library.no_truncation()
        library.no_padding()
        return engines.library_engine(library)

    def _encode_apart(self, text: str) -> np.ndarray:
        """Encode a text that spells special tokens (possible with a loaded file only) without yielding any."""
        after_first = (f"(?<={re.escape(n[0])})(?={re.escape(n[1:])})" for n in self.special_ids if len(n) > 1)
        parts = re.split("|".join(after_first), text)
        ids = np.concatenate([self._engine(self.normalise(part)) for part in parts])
        if np.isin(ids, self._forbidden_ids).any():
            found = self.token(int(ids[np.isin(ids, self._forbidden_ids)][0]))
            raise DataError(
                f"plain text was encoded to the special token {found!r}",
                why="the loaded tokenizer.json has it as an ordinary piece, too",
                fix="name another end of document with --tokenizer.end_token, or train a tokenizer of your own",
            )
        return ids

    def _encode_undecodable(self, text: str) -> np.ndarray:
        """Text with bytes that were not UTF-8 (Python's surrogate escapes): each becomes its byte's own token."""
        by_byte = self._byte_ids
        parts, clean = [], []
        for character in text:
            code_point = ord(character)
            if not 0xD800 <= code_point < 0xE000:
                clean.append(character)
                continue
            if by_byte is None or not 0xDC80 <= code_point <= 0xDCFF:
                raise DataError(
                    f"a text holds U+{code_point:04X}, which is no character",
                    why="a lone surrogate: bytes that are not valid UTF-8, or half a UTF-16 pair",
                    fix="repair the text's encoding, or use --tokenizer.kind=byte, which takes any bytes",
                )
            if clean:
                parts.append(self.encode("".join(clean)))
                clean = []
            parts.append(by_byte[code_point - 0xDC00 : code_point - 0xDC00 + 1])
        return np.concatenate([*parts, self.encode("".join(clean))]) if clean else np.concatenate(parts)

    @functools.cached_property
    def _byte_ids(self) -> np.ndarray | None:
        """Id of the token for each single byte; None when some byte has none."""
        found = {b: i for i, b in enumerate(self._bytes or ()) if len(b) == 1 and i not in self.special_ids.values()}
        ids = [found.get(bytes([value]), -1) for value in range(256)]
        if self.kind == "character" and self.lossless:
            ids = list(range(256))
        return np.array(ids, engines.ID) if min(ids) >= 0 else None

    # -- ids to text

    def token(self, i: int) -> str:
        """How a token is spelled in the vocabulary: for people, not for joining."""
        return self._spelling.get(int(i), f"<unused {i}>")

    def token_text(self, i: int) -> str:
        """What a token contributes to the text, where that is one valid piece of text; else its spelling."""
        data = self._bytes[i] if self._bytes is not None and 0 <= i < self.vocabulary_size else b"\xff"
        try:
            return data.decode() or self.token(i)
        except UnicodeDecodeError:
            return self.token(i)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Text of the ids; special tokens give nothing, unknown ones and broken UTF-8 give U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Sequence[int] | np.ndarray) -> bytes:
        """Bytes of the ids: for lossless kinds exactly what was encoded."""
        ids = np.asarray(ids, np.int64)
        if ids.size and not (0 <= ids.min() and ids.max() < self.vocabulary_size):
            raise DataError(
                f"token id {int(ids.max() if ids.max() >= self.vocabulary_size else ids.min())} can't be decoded",
                why=f"this tokenizer's ids are 0 to {self.vocabulary_size - 1}",
                fix="use the tokenizer the ids were made with",
            )
        if self._bytes is not None:
            return b"".join(map(self._bytes.__getitem__, ids.tolist()))
        return self._library.decode(ids.tolist(), skip_special_tokens=True).encode()

    @functools.cached_property
    def _bytes(self) -> list[bytes] | None:
        """Bytes each id contributes; None when they depend on the neighbours (WordPiece, some files)."""
        spelled = self._settings["spelling"]
        if spelled == "joined":
            return None
        table = [b""] * self.vocabulary_size
        for i, text in self._spelling.items():
            table[i] = b"" if i in self._special_set else _bytes_of(text, spelled)
        if self.unknown_id is not None:
            table[self.unknown_id] = UNKNOWN_AS_TEXT
        return table

    @functools.cached_property
    def bytes_per_token(self) -> np.ndarray:
        """(V,) int64: UTF-8 bytes each token stands for, 0 for special ones.

        Lossless kinds: summed over a text's ids, exactly the text's length. Lossy ones: of what is kept, an estimate.
        """
        if self._bytes is not None:
            lengths = [len(data) for data in self._bytes]
        else:
            lengths = [
                len(self._spelling.get(i, "").removeprefix("##").replace("\u2581", " ").encode())
                for i in range(self.vocabulary_size)
            ]
        table = np.array(lengths, np.int64)
        table[self._special_set] = 0
        return table


def _bytes_of(text: str, spelled: str) -> bytes:
    if spelled == "byte letters":
        # A token with a letter outside the alphabet was added to a file as it stands.
        data = token_bytes(text)
        return text.encode() if data is None else data
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes([int(text[3:5], 16)])
    return text.encode()


def _settings_text(settings: dict) -> str:
    return json.dumps(settings, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
