"""Relative positions: a learned bias for each head and range of distances, added to the scores (arXiv 1910.10683).

Distances up to a quarter of the buckets (of half of them, to one side only) have a bias each; beyond, ranges grow by a
constant factor up to `max_distance`, from where on all share the last.
"""

import math

import torch
from torch import Tensor, nn

from idiolect.models.layers import Embedding


class RelativeBias(nn.Module):
    """What each head adds to the score of a key for standing where it stands; `both_sides` for an encoder."""

    def __init__(self, n_heads: int, n_buckets: int, max_distance: int, both_sides: bool):
        super().__init__()
        self.table = Embedding(n_buckets, n_heads)
        self.max_distance, self.both_sides = max_distance, both_sides

    @torch.no_grad()
    def start_near(self, slope: float) -> None:
        """Let every head see the near first: -slope x 2^(-8h / H) for each place of distance (arXiv 2108.12409)."""
        n_buckets, n_heads = self.table.weight.shape
        ahead = torch.arange(-self.max_distance, self.max_distance + 1)
        bucket = buckets(ahead, n_buckets, self.max_distance, self.both_sides)
        # A range of distances stands where it begins.
        nearest = torch.full((n_buckets,), float(self.max_distance))
        nearest.scatter_reduce_(0, bucket, ahead.abs().float(), "amin")
        slopes_H = slope * 2.0 ** (-8 * torch.arange(1, n_heads + 1) / n_heads)
        self.table.weight.copy_(-nearest[:, None] * slopes_H)

    def forward(self, positions_BT: Tensor, n_keys: int) -> Tensor:
        """(B or 1, H, T, S) for queries at these positions and keys at 0 .. n_keys - 1."""
        ahead_BTS = torch.arange(n_keys, device=positions_BT.device) - positions_BT[..., None]
        bucket_BTS = buckets(ahead_BTS, self.table.num_embeddings, self.max_distance, self.both_sides)
        return self.table(bucket_BTS).permute(0, 3, 1, 2)


class NoBias(nn.Module):
    """Nothing is added to the scores: positions are in the queries and keys."""

    def forward(self, positions_BT: Tensor, n_keys: int) -> None:
        return None


def buckets(ahead: Tensor, n_buckets: int, max_distance: int, both_sides: bool) -> Tensor:
    """Which bias a key so many places ahead of its query has; without `both_sides`, keys ahead count as at 0."""
    first = torch.zeros_like(ahead)
    if both_sides:
        n_buckets //= 2
        first = (ahead > 0) * n_buckets
        distance = ahead.abs()
    else:
        distance = (-ahead).clamp_min(0)
    n_exact = n_buckets // 2
    # In float32 and in this order, as in the released code: the last digit decides at the edges of the ranges.
    share = torch.log(distance.clamp_min(1).float() / n_exact) / math.log(max_distance / n_exact)
    far = (n_exact + (share * (n_buckets - n_exact)).long()).clamp_max(n_buckets - 1)
    return first + torch.where(distance < n_exact, distance, far)
