"""One text in the making: its ids, its luck, its place in the model's window; and what it has become in the end."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from idiolect.generate.config import GenerateConfig
from idiolect.generate.stream import TextStream, characters_of

Finish = Literal["end", "stop", "length", "cancelled"]

# Called with the number of the text and the next piece to show; returning False ends that text.
OnText = Callable[[int, str], bool | None]

N_CHANCES = 64


@dataclass(frozen=True)
class Generated:
    """One continuation. `token_ids` holds every token drawn; those of a stop string or the end are not in `text`.

    `nats` is the model's own surprise at each of them, before any filter or temperature. `seconds` runs while its batch
    does, so the tokens per second of a batch's texts add up to less than the batch's.
    """

    prompt: int
    sample: int
    text: str
    token_ids: list[int]
    nats: list[float]
    finish: Finish
    n_prompt_tokens: int
    seconds: float

    @property
    def mean_nats(self) -> float:
        """Nats per token; 0 when none was drawn."""
        return sum(self.nats) / len(self.nats) if self.nats else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Tokens drawn, over the seconds this text took."""
        return len(self.token_ids) / self.seconds if self.seconds else 0.0


def window_start(n_tokens: int, context_length: int) -> int:
    """Where the window begins from which the token after `n_tokens` is predicted.

    0 while the text fits; each time it is full, the window moves so that its last half stays:

        context_length 4:   n_tokens 1..4 -> 0   5, 6 -> 2   7, 8 -> 4   ...
    """
    if n_tokens <= context_length:
        return 0
    moved = context_length - context_length // 2
    return -(-(n_tokens - context_length) // moved) * moved


@dataclass
class Row:
    """One text in the making."""

    number: int
    ids: list[int]
    sample: int
    config: GenerateConfig
    tokenizer: Any
    nats: list[float] = field(default_factory=list)
    finish: Finish | None = None
    seconds: float = 0.0

    def __post_init__(self):
        self.ids = list(self.ids)
        self.n_prompt = len(self.ids)
        text_ids = [token_id for token_id in self.ids if token_id < self.tokenizer.vocabulary_size]
        self.stream = TextStream(characters_of(self.tokenizer, text_ids), self.config.stop)
        self._chances: list[float] = []
        # The prompt is part of the seed, so that different prompts don't share their luck.
        material = f"{self.config.seed}:{self.sample}:".encode() + np.asarray(self.ids, np.int64).tobytes()
        seed = int.from_bytes(hashlib.sha256(material).digest()[:8], "little")
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def is_blank(self) -> bool:
        """Whether it is a document of which nothing is written yet: an empty prompt."""
        return self.ids == [self.tokenizer.end_id]

    @property
    def n_drawn(self) -> int:
        return len(self.ids) - self.n_prompt

    def n_window(self, context_length: int) -> int:
        """How many tokens the model reads to predict the next one."""
        return len(self.ids) - window_start(len(self.ids), context_length)

    def window(self, context_length: int) -> list[int]:
        """The tokens it reads."""
        return self.ids[-self.n_window(context_length) :]

    def chance(self) -> float:
        """The row's next random number in [0, 1), drawn in blocks: a call to the generator costs as much as a layer."""
        if not self._chances:
            self._chances = torch.rand(N_CHANCES, generator=self._generator, dtype=torch.float64).tolist()[::-1]
        return self._chances.pop()

    def result(self, samples: int) -> Generated:
        return Generated(
            prompt=self.number // samples, sample=self.sample, text=self.stream.text,
            token_ids=self.ids[self.n_prompt :], nats=self.nats, finish=self.finish,
            n_prompt_tokens=self.n_prompt, seconds=self.seconds,
        )  # fmt: skip

    def take(self, token_id: int, nats: float, end_ids: Collection[int], on_text: OnText | None) -> None:
        """One token more: shown as far as it can be, and the text's end when it is one."""
        self.ids.append(token_id)
        self.nats.append(nats)
        piece = ""
        if token_id in end_ids:
            self.finish = "end"
        else:
            piece = self.stream.push(token_id)
            if self.stream.reached_stop:
                self.finish = "stop"
            elif self.n_drawn == self.config.max_tokens:
                self.finish = "length"
        if self.finish:
            piece += self.stream.finish()
        if piece and on_text is not None and on_text(self.number, piece) is False:
            self.finish = self.finish or "cancelled"
