"""Prompts are continued: each is read once, then one token at a time is chosen and read, with the model's cache.

    prompts -> ids -> [ read -> logits -> choose -> ids -> text ] until every row has ended

Start at `generate`. Rows of different lengths are decoded together; a row's text is a function of the model, the
prompt, the config and the sample's number, never of its neighbours (tests/generate/test_decode.py).

A text longer than the model's context is read through a window: when it is full, its last half is read anew as if the
text began there (`row.window_start`). Half, because re-reading costs as much as a prompt: it then happens once in
context_length / 2 tokens, and the model always sees at least that much. A model whose cache holds texts of any length
(`unbounded`) reads on instead. An encoder-decoder has the text for its source, and is given a new one when it has
written as much as it has learned to write (reading.py).
"""

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from idiolect.data.objectives.framing import Framing
from idiolect.errors import NumericsError
from idiolect.generate import sampling
from idiolect.generate.config import GenerateConfig
from idiolect.generate.fill import write
from idiolect.generate.reading import LeftReading, SourceReading, build_reading
from idiolect.generate.row import Generated, OnText, Row


def generate(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[str],
    config: GenerateConfig,
    on_text: OnText | None = None,
    framing: Framing | None = None,
) -> list[Generated]:
    """Continue each prompt `config.samples` times; text n belongs to prompt n // samples.

    An empty prompt begins a document, which has a token at the least. `on_text` sees each text grow, whole characters
    at a time. `framing` is how a text is put to a model that reads a source; None: as it stands. Raises NumericsError
    when the model's logits are not numbers.
    """
    if model.reads == "both":
        return write(model, tokenizer, prompts, config, on_text)
    prompt_ids = [tokenizer.encode(prompt).tolist() or [tokenizer.end_id] for prompt in prompts]
    return continue_ids(model, tokenizer, prompt_ids, config, on_text, framing)


def continue_ids(
    model: nn.Module,
    tokenizer: Any,
    prompt_ids: Sequence[Sequence[int]],
    config: GenerateConfig,
    on_text: OnText | None = None,
    framing: Framing | None = None,
) -> list[Generated]:
    """`generate` from token ids, among which may be some beyond the tokenizer's."""
    numbered = enumerate(ids for ids in prompt_ids for _ in range(config.samples))
    rows = [Row(number, ids, number % config.samples, config, tokenizer) for number, ids in numbered]
    reading = build_reading(model, tokenizer.end_id, framing)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            while waiting := [row for row in rows if row.finish is None]:
                _Decoding(reading, tokenizer, config, _next_batch(waiting, reading, config), on_text).run()
    finally:
        model.train(was_training)
    return [row.result(config.samples) for row in rows]


def _next_batch(waiting: list[Row], reading: LeftReading | SourceReading, config: GenerateConfig) -> list[Row]:
    """The shortest rows, as many as may be decoded together; less than half of what is read may be padding."""
    by_length = sorted((reading.length(row), row.number, row) for row in waiting)
    longest = max(64, 2 * by_length[0][0])
    return [row for length, _, row in by_length[: config.batch_rows] if length <= longest]


class _Decoding:
    """Rows decoded together, each until it has ended or its window is full."""

    def __init__(self, reading: LeftReading | SourceReading, tokenizer: Any, config: GenerateConfig, rows, on_text):
        self.reading, self.config, self.rows, self.on_text = reading, config, rows, on_text
        self.model, self.end_ids = reading.model, (tokenizer.end_id, *reading.stop_ids)
        self.forbidden_V = sampling.forbidden(tokenizer, config, self.model)
        if config.stop_at_end:
            self.forbidden_V[list(reading.stop_ids)] = 0.0
        self.device = self.forbidden_V.device
        self.ends_E = torch.tensor(self.end_ids, device=self.device)
        self.seen_BV: torch.Tensor | None = None

    def run(self) -> None:
        started = time.perf_counter()
        rooms = {row.number: self.reading.room(row) for row in self.rows}
        logits_BV = self._read_windows()
        while True:
            ids_B, nats = self._choose(logits_BV)
            for row, token_id, token_nats in zip(self.rows, ids_B.tolist(), nats, strict=True):
                rooms[row.number] -= 1
                row.take(token_id, token_nats, self.end_ids, self.on_text)
            going_on = [i for i, row in enumerate(self.rows) if row.finish is None and rooms[row.number] >= 0]
            if len(going_on) < len(self.rows):
                seconds = time.perf_counter() - started
                ids_B = self._keep(going_on, ids_B, seconds)
                if not going_on:
                    return
            hidden_B1D, self.cache = self.model(ids_B.unsqueeze(-1), self.cache)
            logits_BV = self.model.head(hidden_B1D[:, -1]).float()

    def _read_windows(self) -> torch.Tensor:
        """Read every row's window, or its source; the logits of what comes next, logits_BV."""
        windows = [tuple(self.reading.window(row)) for row in self.rows]
        # Samples of one prompt are read once: only then do their ways part.
        place = {window: i for i, window in enumerate(dict.fromkeys(windows))}
        hidden_BD, cache = self.reading.read(list(place), self.config.max_tokens, self.device)
        logits_BV = self.model.head(hidden_BD).float()
        if len(place) < len(windows):
            rows_B = torch.tensor([place[window] for window in windows], device=self.device)
            cache, logits_BV = cache.select(rows_B), logits_BV[rows_B]
        self.cache = cache
        if self.config.repetition_penalty != 1:
            self.seen_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
            for row, seen_V in zip(self.rows, self.seen_BV, strict=True):
                seen_V[torch.tensor(row.ids, device=self.device)] = True
        return logits_BV

    def _choose(self, logits_BV: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
        """Each row's next id, and the nats the model itself gives it."""
        config = self.config
        adjusted_BV = logits_BV
        if self.seen_BV is not None:
            adjusted_BV = sampling.penalise_repeats(logits_BV, self.seen_BV, config.repetition_penalty)
        adjusted_BV = adjusted_BV + self.forbidden_V
        if blank := [i for i, row in enumerate(self.rows) if row.is_blank]:
            # No document is empty. An encoder that has learned from parts of one document never met such a source, and
            # would end: T5 on tiny-shakespeare gave the end half of the probability.
            adjusted_BV[torch.tensor(blank, device=self.device)[:, None], self.ends_E] = -torch.inf
        if config.is_greedy:
            ids_B = adjusted_BV.argmax(-1)
        else:
            place = sampling.place_of(self.device)
            chance_B = torch.tensor([row.chance() for row in self.rows], dtype=torch.float64, device=place)
            ids_B = sampling.choose(
                adjusted_BV.to(place), chance_B,
                temperature=config.temperature, top_k=config.top_k, top_p=config.top_p, min_p=config.min_p,
            ).to(self.device)  # fmt: skip
        ids_B1 = ids_B.unsqueeze(-1)
        if self.seen_BV is not None:
            self.seen_BV.scatter_(-1, ids_B1, True)
        nats = (logits_BV.logsumexp(-1) - logits_BV.gather(-1, ids_B1).squeeze(-1)).tolist()
        if not all(map(math.isfinite, nats)):
            raise NumericsError(
                f"the model's logits are not numbers after {len(self.rows[0].ids)} tokens",
                why="its weights hold NaN or infinity, or its activations overflow in this dtype",
                fix="an earlier checkpoint, or --device.dtype=float32",
            )
        return ids_B, nats

    def _keep(self, going_on: list[int], ids_B: torch.Tensor, seconds: float) -> torch.Tensor:
        """Let go of rows that have ended or whose window is full; the kept rows' ids."""
        kept_B = torch.tensor(going_on, dtype=torch.int64, device=self.device)
        for i in set(range(len(self.rows))) - set(going_on):
            self.rows[i].seconds += seconds
        self.rows = [self.rows[i] for i in going_on]
        if going_on:
            self.cache = self.cache.select(kept_B)
        if self.seen_BV is not None:
            self.seen_BV = self.seen_BV[kept_B]
        return ids_B[kept_B]
