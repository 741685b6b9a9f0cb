"""The yardstick: a GPT-2-shaped model and a training loop as a tutorial would write them, in eager PyTorch.

Learned positions, layer norm and linear layers without biases, exact GELU, a tied head, random crops of the token
array stacked into a batch, AdamW with two parameter groups, clipping at 1: the settings of nanoGPT's CPU example.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.gelu = nn.GELU()
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        B, T, D = x.size()
        q, k, v = self.qkv(self.norm1(x)).split(D, dim=2)
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.0, is_causal=True)
        x = x + self.out(y.transpose(1, 2).contiguous().view(B, T, D))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class PlainGPT(nn.Module):
    def __init__(self, vocabulary: int, layers: int, width: int, heads: int, context: int):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, 0.0, 0.02 / (2 * layers) ** 0.5 if last else 0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(ids.size(1)))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


class PlainLoop:
    """One call of `step` is one iteration of the loop."""

    def __init__(self, ids: np.ndarray, vocabulary: int, layers: int, width: int, heads: int, context: int, rows: int):
        self.ids, self.context, self.rows = ids, context, rows
        self.model = PlainGPT(vocabulary, layers, width, heads, context)
        decayed = [p for p in self.model.parameters() if p.dim() >= 2]
        others = [p for p in self.model.parameters() if p.dim() < 2]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))

    def batch(self):
        at = torch.randint(len(self.ids) - self.context, (self.rows,))
        x = torch.stack([torch.from_numpy(self.ids[i : i + self.context].astype(np.int64)) for i in at])
        y = torch.stack([torch.from_numpy(self.ids[i + 1 : i + 1 + self.context].astype(np.int64)) for i in at])
        return x, y

    def step(self) -> float:
        x, y = self.batch()
        loss = self.model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return loss.item()
