"""Gaps are filled by a model that reads both sides; at a text's end, a row of gaps is filled bit by bit.

    "to be or [MASK] to be"    ->  ids with a mask  ->  candidates for the gap, and the text with the likeliest
    "to be or"                 ->  to be or _ _ _ _ ->  to be or _ t _ _  ->  ...  ->  the next block of masks

Start at `fill` and `write`. Both unmask in rounds (mask-predict, Ghazvininejad et al. 2019, arXiv 1904.09324): all gaps
are guessed at once, the surest guesses stay, the others are masked and guessed again from what stays. A gap is one
token: write [MASK][MASK] for two. An encoder never learned where a text ends, so it writes until it is stopped.
"""

import contextlib
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from idiolect.errors import NumericsError, RecipeError
from idiolect.generate import sampling
from idiolect.generate.config import GenerateConfig
from idiolect.generate.row import Generated, OnText, Row
from idiolect.models.contract import place_of

MASK = "[MASK]"
# Tokens written at once, and the rounds it takes: half a block's guesses see as much context as in training.
BLOCK, ROUNDS = 16, 8
N_CANDIDATES = 5


@dataclass(frozen=True)
class Gap:
    """What may stand in one gap: the likeliest tokens as text, each with its probability, the other gaps unfilled."""

    candidates: tuple[tuple[str, float], ...]
    filled: str


@dataclass(frozen=True)
class Filled:
    """A prompt with its gaps filled; `nats` is the model's surprise at each filling when it was chosen."""

    prompt: int
    sample: int
    text: str
    gaps: tuple[Gap, ...]
    nats: tuple[float, ...]


def has_gaps(model: nn.Module, prompt: str) -> bool:
    """Whether this prompt is for `fill`: a model that reads leftward takes [MASK] as the text it is."""
    return model.reads == "both" and MASK in prompt


def mask_ids(model: nn.Module, tokenizer: Any, prompt: str) -> tuple[list[int], list[int]]:
    """The prompt's ids with the mask's at each [MASK], and their places.

    Where tokens begin with the space before a word, that space belongs to what is hidden: "the [MASK] sat" is read as
    "the", mask, " sat".
    """
    ids: list[int] = []
    places: list[int] = []
    *before, last = prompt.split(MASK)
    for piece in before:
        ids += tokenizer.encode(re.sub(r"\s+$", "", piece) if leads_with_space(tokenizer) else piece).tolist()
        places.append(len(ids))
        ids.append(model.mask_id)
    return ids + tokenizer.encode(last).tolist(), places


def leads_with_space(tokenizer: Any) -> bool:
    """Whether this tokenizer's words begin with the space before them."""
    return tokenizer.kind in ("bpe", "unigram", "word", "file")


def fill(
    model: nn.Module, tokenizer: Any, prompts: Sequence[str], config: GenerateConfig, n_candidates: int = N_CANDIDATES
) -> list[Filled]:
    """Fill every [MASK] of each prompt, `config.samples` times: the likeliest way, or drawn when several are wanted.

    The surest gap is filled first, then the others anew. Raises NumericsError when the logits are not numbers.
    """
    if config.samples == 1:
        config = config.model_copy(update={"greedy": True})
    found = []
    with _reading(model):
        guesser = _Guesser(model, tokenizer, config)
        for number, prompt in enumerate(prompts):
            ids, places = mask_ids(model, tokenizer, prompt)
            logits_NV = guesser.logits([(0, place) for place in places], [ids]) + guesser.forbidden_V
            probability, token = logits_NV.softmax(-1).topk(min(n_candidates, logits_NV.shape[-1]))
            listed = [
                tuple((tokenizer.token_text(i), p) for i, p in zip(ids_K, p_K, strict=True))
                for ids_K, p_K in zip(token.tolist(), probability.tolist(), strict=True)
            ]
            for sample in range(config.samples):
                row = Row(number, ids, sample, config, tokenizer)
                filled = list(ids)
                nats = guesser.unmask([filled], [places], [row], rounds=len(places))[0]
                gaps = tuple(
                    Gap(candidates, tokenizer.token_text(filled[place]))
                    for candidates, place in zip(listed, places, strict=True)
                )
                found.append(Filled(number, sample, tokenizer.decode(filled), gaps, tuple(nats)))
    return found


def write(
    model: nn.Module, tokenizer: Any, prompts: Sequence[str], config: GenerateConfig, on_text: OnText | None = None
) -> list[Generated]:
    """Continue each prompt `config.samples` times, a block of masks at a time; see `decode.generate`."""
    prompt_ids = [tokenizer.encode(prompt).tolist() or [tokenizer.end_id] for prompt in prompts]
    numbered = enumerate(ids for ids in prompt_ids for _ in range(config.samples))
    rows = [Row(number, ids, number % config.samples, config, tokenizer) for number, ids in numbered]
    with _reading(model):
        guesser = _Guesser(model, tokenizer, config)
        while waiting := [row for row in rows if row.finish is None]:
            started = time.perf_counter()
            batch = waiting[: config.batch_rows]
            _write_block(guesser, batch, on_text)
            for row in batch:
                row.seconds += time.perf_counter() - started
    return [row.result(config.samples) for row in rows]


def _write_block(guesser: "_Guesser", rows: list[Row], on_text: OnText | None) -> None:
    T = guesser.model.context_length
    texts, places = [], []
    for row in rows:
        n_new = max(1, min(BLOCK, T // 2, row.config.max_tokens - row.n_drawn))
        read = row.ids[-(T - n_new) :] if T > n_new else []
        texts.append(read + [guesser.model.mask_id] * n_new)
        places.append(list(range(len(read), len(read) + n_new)))
    nats = guesser.unmask(texts, places, rows, ROUNDS)
    for row, text, where, its_nats in zip(rows, texts, places, nats, strict=True):
        for place, token_nats in zip(where, its_nats, strict=True):
            row.take(text[place], token_nats, (guesser.end_id,), on_text)
            if row.finish:
                break


@contextlib.contextmanager
def _reading(model: nn.Module) -> Iterator[None]:
    """No gradients, no dropout; the model's own mode back afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


class _Guesser:
    """A model that guesses masked tokens."""

    def __init__(self, model: nn.Module, tokenizer: Any, config: GenerateConfig):
        self.model, self.config, self.end_id = model, config, tokenizer.end_id
        self.forbidden_V = sampling.forbidden(tokenizer, config, model)
        # It was never asked to guess an end; what it says of one means nothing.
        self.forbidden_V[tokenizer.end_id] = -math.inf
        self.device = place_of(model)

    def unmask(
        self, texts: list[list[int]], places: list[list[int]], rows: list[Row], rounds: int
    ) -> list[list[float]]:
        """Fill the places of each text, in place; the nats of each filling. After round t of R, 1 - t / R are left."""
        mask_id = self.model.mask_id
        nats = [[math.inf] * len(where) for where in places]
        for done in range(1, rounds + 1):
            wanted = [(i, k) for i, where in enumerate(places) for k, p in enumerate(where) if texts[i][p] == mask_id]
            if not wanted:
                break
            logits_NV = self.logits([(i, places[i][k]) for i, k in wanted], texts)
            ids_N, nats_N = self._choose(logits_NV, [rows[i] for i, _ in wanted], [texts[i] for i, _ in wanted])
            for (i, k), token_id, token_nats in zip(wanted, ids_N, nats_N, strict=True):
                texts[i][places[i][k]], nats[i][k] = token_id, token_nats
            for i, where in enumerate(places):
                n_masked = len(where) * (rounds - done) // rounds
                for k in sorted(range(len(where)), key=lambda k, i=i: -nats[i][k])[:n_masked]:
                    texts[i][where[k]] = mask_id
        return nats

    def logits(self, wanted: list[tuple[int, int]], texts: list[list[int]]) -> torch.Tensor:
        """Logits (N, V) at places (text, place), each read in a window of its text that has it near the middle."""
        T, row_of, windows, where = self.model.context_length, {}, [], []
        for i, place in wanted:
            start = min(max(0, place - T // 2), max(0, len(texts[i]) - T))
            if (i, start) not in row_of:
                row_of[i, start] = len(windows)
                windows.append(texts[i][start : start + T])
            where.append((row_of[i, start], place - start))
        longest = max(map(len, windows), default=0)
        tokens_BT = torch.tensor([window + [0] * (longest - len(window)) for window in windows], device=self.device)
        lengths_B1 = torch.tensor([[len(window)] for window in windows], device=self.device)
        # Padding is a document of its own: nothing reads it.
        padding_BT = torch.arange(longest, device=self.device) >= lengths_B1
        document_BT = padding_BT.long() if bool(padding_BT.any()) else None
        hidden_BTD, _ = self.model(tokens_BT, document_BT=document_BT)
        row_N, place_N = torch.tensor(where, device=self.device).T
        logits_NV = self.model.head(hidden_BTD[row_N, place_N]).float()
        if not bool(logits_NV.isfinite().all()):
            raise NumericsError(
                "the model's logits are not numbers",
                why="its weights hold NaN or infinity, or its activations overflow in this dtype",
                fix="an earlier checkpoint, or --device.dtype=float32",
            )
        return logits_NV

    def _choose(
        self, logits_NV: torch.Tensor, rows: list[Row], texts: list[list[int]]
    ) -> tuple[list[int], list[float]]:
        config = self.config
        adjusted_NV = logits_NV + self.forbidden_V
        if config.repetition_penalty != 1:
            seen_NV = torch.zeros_like(logits_NV, dtype=torch.bool)
            for seen_V, text in zip(seen_NV, texts, strict=True):
                seen_V[torch.tensor(text, device=self.device)] = True
            adjusted_NV = sampling.penalise_repeats(logits_NV, seen_NV, config.repetition_penalty) + self.forbidden_V
        if config.is_greedy:
            ids_N = adjusted_NV.argmax(-1)
        else:
            place = sampling.place_of(self.device)
            chance_N = torch.tensor([row.chance() for row in rows], dtype=torch.float64, device=place)
            ids_N = sampling.choose(
                adjusted_NV.to(place), chance_N,
                temperature=config.temperature, top_k=config.top_k, top_p=config.top_p, min_p=config.min_p,
            ).to(self.device)  # fmt: skip
        nats_N = logits_NV.logsumexp(-1) - logits_NV.gather(-1, ids_N[:, None]).squeeze(-1)
        return ids_N.tolist(), nats_N.tolist()


def check_can_talk(model: nn.Module) -> None:
    """Raises RecipeError for a model that can't hold a conversation."""
    if model.reads == "both":
        raise RecipeError(
            f'a model of model.kind = "{model.config.kind}" can\'t hold a conversation',
            why="it reads both sides of a gap and fills it; what it writes at a text's end is poor, and it never ends",
            fix=f'idiolect generate RUN --prompt "to be or not to {MASK}", or train a writer: --model.kind=gpt',
        )
