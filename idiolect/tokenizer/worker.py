"""Other processes that encode: `python -m idiolect.tokenizer.worker`, fed through a pipe.

Not multiprocessing: its spawned children run the caller's main script again (and hang the pool when that script has
no `__main__` guard), and its forked ones copy the locks of whatever threads are running. A worker ends when its
pipe closes, so none outlives a killed parent. A message is a length and that many bytes; a question is JSON, an
answer is a header and three arrays, or an error in JSON.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from idiolect.errors import DataError, ResourceError
from idiolect.tokenizer.encode import Tokenizer
from idiolect.tokenizer.encoded import Encoded, encode_documents

_LENGTH = struct.Struct("<Q")
_ANSWER = struct.Struct("<? Q Q Q")  # went well; bytes a token, tokens, documents


class Worker:
    """The parent's end."""

    def __init__(self, tokenizer: Tokenizer):
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )
        _send(self.process.stdin, json.dumps(tokenizer.parts()).encode())

    def encode(self, first: int, texts: list[str]) -> Encoded:
        """The documents' tokens. Raises DataError for a bad document, ResourceError when the worker died."""
        try:
            _send(self.process.stdin, json.dumps([first, texts]).encode())
            answer = _receive(self.process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise ResourceError(
                f"a process that was encoding document {first:,} and following ended unexpectedly",
                why=f"exit status {self.process.wait()}: often the system ran out of memory",
                fix="use fewer workers, or close other programs, and run the same command again",
            )
        went_well, token_bytes, n_tokens, n_documents = _ANSWER.unpack_from(answer)
        if not went_well:
            what, why, fix = json.loads(answer[_ANSWER.size :])
            raise DataError(what, why=why, fix=fix)
        documents_at = _ANSWER.size + n_tokens * token_bytes
        ids = np.frombuffer(answer, f"<u{token_bytes}", n_tokens, _ANSWER.size)
        counts = np.frombuffer(answer, "<i8", 2 * n_documents, documents_at).reshape(2, -1)
        return Encoded(ids, *counts)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def main() -> None:
    """The child's end: a tokenizer, then questions until the pipe closes."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    if (parts := _receive(questions)) is None:
        return
    tokenizer = Tokenizer(*json.loads(parts))
    while (question := _receive(questions)) is not None:
        try:
            encoded = encode_documents(tokenizer, *json.loads(question))
        except DataError as error:
            text = json.dumps([error.what, error.why, error.fix]).encode()
            _send(answers, _ANSWER.pack(False, 0, 0, 0) + text)
            continue
        header = _ANSWER.pack(True, encoded.ids.itemsize, len(encoded.ids), len(encoded.n_tokens_D))
        arrays = (encoded.ids, encoded.n_tokens_D.astype("<i8"), encoded.n_bytes_D.astype("<i8"))
        _send(answers, b"".join([header, *(array.tobytes() for array in arrays)]))


def _send(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes | None:
    """One message; None when the other end is gone."""
    length = pipe.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    data = pipe.read(_LENGTH.unpack(length)[0])
    return data if len(data) == _LENGTH.unpack(length)[0] else None


if __name__ == "__main__":
    main()
