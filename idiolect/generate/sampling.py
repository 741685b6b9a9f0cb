"""From the logits of the next token to its id.

The order is fixed, and the same as in `transformers`: repetition penalty, forbidden ids, temperature, top-k, top-p,
min-p, draw. Each filter below is the readable form, returns logits with -inf where a token was dropped, and keeps at
least the likeliest one. `choose` gives the same choice with less work, which tests/generate/test_sampling.py proves; it
is what decoding runs.
"""

import math
from typing import Any

import torch
from torch import nn

from idiolect.generate.config import GenerateConfig
from idiolect.models.contract import place_of as where_is

# top-p without top-k would need the whole vocabulary sorted; this many of the likeliest nearly always hold the share
# asked for, and a row where they don't is sorted in full.
N_LIKELIEST = 256


def place_of(device: torch.device) -> torch.device:
    """Where `choose` can work on a device's logits: there, but for Apple's GPUs, which have no double precision."""
    return torch.device("cpu") if device.type == "mps" else device


def penalise_repeats(logits_BV: torch.Tensor, seen_BV: torch.Tensor, penalty: float) -> torch.Tensor:
    """Divide positive and multiply negative logits of tokens already in the text (arXiv 1909.05858, section 4.1)."""
    penalised_BV = torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)
    return torch.where(seen_BV, penalised_BV, logits_BV)


def keep_top_k(logits_BV: torch.Tensor, k: int) -> torch.Tensor:
    """Keep the k likeliest tokens, and those exactly as likely as the k-th."""
    lowest_B1 = logits_BV.topk(min(k, logits_BV.shape[-1]), dim=-1).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < lowest_B1, -math.inf)


def keep_top_p(logits_BV: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the fewest likeliest tokens whose probabilities add up to p or more (arXiv 1904.09751)."""
    sorted_BV, order_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
    probability_BV = sorted_BV.softmax(-1)
    # What stands before a token decides: the token that crosses p is still kept.
    dropped_BV = probability_BV.cumsum(-1) - probability_BV >= p
    dropped_BV[:, 0] = False
    return logits_BV.masked_fill(torch.zeros_like(dropped_BV).scatter(-1, order_BV, dropped_BV), -math.inf)


def keep_min_p(logits_BV: torch.Tensor, p: float) -> torch.Tensor:
    """Keep tokens at least p times as likely as the likeliest (arXiv 2407.01082); a plain threshold on the logits."""
    if p == 0:
        return logits_BV
    return logits_BV.masked_fill(logits_BV < logits_BV.amax(-1, keepdim=True) + math.log(p), -math.inf)


def draw(logits_BK: torch.Tensor, chance_B: torch.Tensor) -> torch.Tensor:
    """The column in which each row's chance, in [0, 1), falls when the columns are laid out by probability.

    One number a row (and not one a token, as the Gumbel and exponential tricks need) makes a row's choice a function of
    that row alone. Summed in double precision: strictly-greater search then never lands on a token of probability zero,
    not at a chance of 0 and not just below 1.
    """
    heap_BK = logits_BK.softmax(-1).cumsum(-1, dtype=torch.float64)
    column_B1 = torch.searchsorted(heap_BK, chance_B.unsqueeze(-1) * heap_BK[:, -1:], right=True)
    # Only NaN can fall past the end; it must reach the caller's check of the nats instead of an index error here.
    return column_B1.clamp_(max=logits_BK.shape[-1] - 1).squeeze(-1)


def choose(
    logits_BV: torch.Tensor,
    chance_B: torch.Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> torch.Tensor:
    """Temperature, top-k, top-p, min-p and the draw, sorting no more of the vocabulary than it must; ids_B.

    Equal to the filters above in turn, except that top-k keeps exactly k when several tokens tie for the last place.
    """
    scaled_BV = logits_BV / temperature if temperature != 1 else logits_BV
    n_tokens = scaled_BV.shape[-1]
    if top_k == 0 and top_p == 1:
        return draw(keep_min_p(scaled_BV, min_p), chance_B)
    if 0 < top_k < n_tokens:
        return _draw_sorted(*scaled_BV.topk(top_k), None, chance_B, top_p, min_p)
    if top_p == 1:
        return draw(keep_min_p(scaled_BV, min_p), chance_B)
    if n_tokens <= N_LIKELIEST:
        return _draw_sorted(*scaled_BV.topk(n_tokens), None, chance_B, top_p, min_p)
    return _draw_top_p(scaled_BV, chance_B, top_p, min_p)


def _draw_top_p(scaled_BV: torch.Tensor, chance_B: torch.Tensor, top_p: float, min_p: float) -> torch.Tensor:
    likeliest_BK, ids_BK = scaled_BV.topk(N_LIKELIEST)
    total_B1 = scaled_BV.logsumexp(-1, keepdim=True)
    chosen_B = _draw_sorted(likeliest_BK, ids_BK, total_B1, chance_B, top_p, min_p)
    too_few_B = (likeliest_BK - total_B1).exp().sum(-1) < top_p
    if too_few_B.any():
        # Row by row, so that one flat neighbour never changes how another row is sorted.
        rows = too_few_B.nonzero().squeeze(-1)
        sorted_NV, ids_NV = scaled_BV[rows].sort(dim=-1, descending=True, stable=True)
        chosen_B[rows] = _draw_sorted(sorted_NV, ids_NV, None, chance_B[rows], top_p, min_p)
    return chosen_B


def _draw_sorted(sorted_BK, ids_BK, total_B1, chance_B, top_p: float, min_p: float) -> torch.Tensor:
    """Top-p and min-p over logits that already stand in falling order; total_B1 is their log-sum, None = of these K."""
    kept_BK = keep_min_p(sorted_BK, min_p)
    if top_p < 1:
        probability_BK = sorted_BK.softmax(-1) if total_B1 is None else (sorted_BK - total_B1).exp()
        dropped_BK = probability_BK.cumsum(-1) - probability_BK >= top_p
        dropped_BK[:, 0] = False
        kept_BK = kept_BK.masked_fill(dropped_BK, -math.inf)
    return ids_BK.gather(-1, draw(kept_BK, chance_B).unsqueeze(-1)).squeeze(-1)


def forbidden(tokenizer: Any, config: GenerateConfig, model: nn.Module) -> torch.Tensor:
    """What is added to the logits, forbidden_V: -inf for ids that are no text (padding, reserved)."""
    forbidden_V = torch.zeros(model.vocabulary_size)
    forbidden_V[tokenizer.vocabulary_size :] = -math.inf
    forbidden_V[: tokenizer.vocabulary_size][torch.from_numpy(tokenizer.bytes_per_token == 0)] = -math.inf
    forbidden_V[tokenizer.end_id] = 0.0 if config.stop_at_end else -math.inf
    return forbidden_V.to(where_is(model))
