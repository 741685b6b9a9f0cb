"""Decoding speed at batch 1: our cached decoding beside nanoGPT's uncached `generate`, and stock transformers' cache.

    python benchmarks/decoding.py [--threads 1] [--repeats 5] [--tokens 255] [--shape 4x128]

The same shape (GPT-2's settings, context 256), the same sampling (temperature 0.8, top-k 200), random weights; the
contestants take turns inside each repeat, so a busy machine slows all of them. CPU seconds are given beside wall-clock
tokens/s because they say more on a shared machine.
"""

import argparse
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from idiolect.generate import GenerateConfig
from idiolect.generate.decode import generate
from idiolect.models.build import build_model
from idiolect.models.config import gpt2_like

SHAPES = {"4x128, V 65": (4, 128, 4, 65), "6x384, V 65": (6, 384, 6, 65), "8x512, V 8192": (8, 512, 8, 8192)}
CONTEXT = 256


class NanoBlock(nn.Module):
    """nanoGPT's block (model.py), written out."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.c_attn, self.c_proj = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.c_fc, self.c_out = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (y.view(B, T, self.n_heads, -1).transpose(1, 2) for y in self.c_attn(self.ln_1(x)).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class NanoGPT(nn.Module):
    """nanoGPT's model and its `generate`: the whole window is read again for every token."""

    def __init__(self, n_layers, d_model, n_heads, n_vocabulary):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(n_vocabulary, d_model), nn.Embedding(CONTEXT, d_model)
        self.h = nn.ModuleList(NanoBlock(d_model, n_heads) for _ in range(n_layers))
        self.ln_f = nn.LayerNorm(d_model)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.shape[1]))
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x)[:, [-1], :], self.wte.weight)

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=0.8, top_k=200):
        for _ in range(max_new_tokens):
            logits = self(idx if idx.size(1) <= CONTEXT else idx[:, -CONTEXT:])[:, -1, :] / temperature
            v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
            logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), 1)), dim=1)
        return idx


class Letters:
    """A tokenizer that is in nobody's way."""

    kind, end_id, pad_id = "byte", 0, 1

    def __init__(self, vocabulary_size):
        self.vocabulary_size = vocabulary_size
        self.bytes_per_token = np.array([0, 0] + [1] * (vocabulary_size - 2))

    def encode(self, text):
        return np.array([2] * len(text))

    def decode_bytes(self, ids):
        return b"x" * len(ids)


def contestants(shape, n_tokens):
    n_layers, d_model, n_heads, n_vocabulary = shape
    config = gpt2_like(context_length=CONTEXT, n_layers=n_layers, d_model=d_model, n_heads=n_heads)
    model, tokenizer = build_model(config, n_vocabulary, 0).eval(), Letters(n_vocabulary)
    asked = GenerateConfig(max_tokens=n_tokens, temperature=0.8, top_k=200, min_p=0.0, stop_at_end=False)
    nano = NanoGPT(*shape).eval()
    runs = {
        "idiolect": lambda: generate(model, tokenizer, ["x"], asked),
        "nanoGPT": lambda: nano.generate(torch.tensor([[2]]), n_tokens),
    }
    stock = stock_gpt2(shape)
    if stock is not None and n_tokens < CONTEXT:
        runs["transformers"] = lambda: stock.generate(
            torch.tensor([[2]]), max_new_tokens=n_tokens, do_sample=True, temperature=0.8, top_k=200,
            pad_token_id=1, eos_token_id=None,
        )  # fmt: skip
    return runs


def stock_gpt2(shape):
    try:
        import transformers
    except ModuleNotFoundError:
        return None
    n_layers, d_model, n_heads, n_vocabulary = shape
    config = transformers.GPT2Config(
        vocab_size=n_vocabulary, n_positions=CONTEXT, n_embd=d_model, n_layer=n_layers, n_head=n_heads,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config).eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=255)
    parser.add_argument("--shape", default="", help="only shapes whose name begins so")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    for name, shape in ((name, shape) for name, shape in SHAPES.items() if name.startswith(asked.shape)):
        runs = contestants(shape, asked.tokens)
        wall, cpu = {who: [] for who in runs}, {who: [] for who in runs}
        for run in runs.values():
            run()
        for _ in range(asked.repeats):
            for who, run in runs.items():
                started, started_cpu = time.perf_counter(), time.process_time()
                run()
                wall[who].append(asked.tokens / (time.perf_counter() - started))
                cpu[who].append(1e3 * (time.process_time() - started_cpu) / asked.tokens)
        ours = statistics.median(cpu["idiolect"])
        for who in runs:
            print(
                f"{name:14} {who:13} {statistics.median(wall[who]):8.0f} tokens/s "
                f"({min(wall[who]):.0f} to {max(wall[who]):.0f}, n = {asked.repeats}) "
                f"{statistics.median(cpu[who]):7.2f} CPU ms/token, {statistics.median(cpu[who]) / ours:5.1f} x ours"
            )


if __name__ == "__main__":
    main()
