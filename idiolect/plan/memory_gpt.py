"""Bytes that training a dense GPT will hold, by part, counted from the config.

Activations are what autograd keeps, read off the module line by line; `tests/plan/test_memory.py` counts them with
`saved_tensors_hooks` and holds the total against the peak of real processes.
"""

from __future__ import annotations

from idiolect.models import measure
from idiolect.models.config import GPTConfig, table_rows
from idiolect.optim.config import OptimConfig, RowAdagradConfig, RowAdamConfig
from idiolect.train.loss import CHUNK_LOGITS, PLAIN_LOGITS

# Logits are held whole up to PLAIN_LOGITS, beyond it in chunks; several copies live at once in either road.
PLAIN_COPIES, CHUNK_COPIES = 3, 3


def parts_of(
    config: GPTConfig,
    vocabulary_size: int,
    batch_tokens: int,
    optim: OptimConfig,
    device: str,
    dtype: str,
    context_length: int = 0,
) -> dict[str, int]:
    """Bytes by part; `cast` is the copy of every matrix that autocast keeps in bfloat16."""
    counted = measure.parameters(config, vocabulary_size)
    cast = 2 * (counted["attention"] + counted["mlp"] + vocabulary_size * config.d_model)
    return {
        "weights": 4 * counted["total"],
        "gradients": gradients(config, counted, vocabulary_size, batch_tokens),
        "moments": moments(config, counted, vocabulary_size, optim),
        "activations": activations(config, batch_tokens, dtype, context_length),
        "logits": logits(config, vocabulary_size, batch_tokens, device),
        "workspace": workspace(config, vocabulary_size, batch_tokens, optim),
        "cast": cast if dtype == "bfloat16" else 0,
    }


def gradients(config: GPTConfig, counted: dict[str, int], vocabulary_size: int, batch_tokens: int) -> int:
    """Bytes of all gradients: as many as weights, but of n-gram tables only the rows that the tokens looked up."""
    dense = counted["total"] - counted["ngram_tables"] - counted["ngram_head_tables"]
    return 4 * dense + sum(
        # Row by row as the backward pass leaves them, which all tables share, and each row once with its number.
        4 * width * batch_tokens + sum((4 * width + 8) * min(batch_tokens, rows) for rows in n_rows)
        for width, n_rows in tables(config, vocabulary_size)
    )


def tables(config: GPTConfig, vocabulary_size: int) -> list[tuple[int, list[int]]]:
    """The n-gram tables at the input and at the head: their width, and the rows of each."""
    found = [
        (config.d_model, config.ngram_orders, config.ngram_buckets),
        (vocabulary_size, config.ngram_head_orders, config.ngram_head_buckets),
    ]
    return [(width, [table_rows(n, most, vocabulary_size) for n in orders]) for width, orders, most in found if orders]


def moments(config: GPTConfig, counted: dict[str, int], vocabulary_size: int, optim: OptimConfig) -> int:
    """Bytes of what the optimiser remembers, the weights' running average included."""
    tables, head_tables = counted["ngram_tables"], counted["ngram_head_tables"]
    sizes = {"matrices": counted["attention"] + counted["mlp"], "tables": tables, "head_tables": head_tables}
    sizes["rest"] = counted["total"] - sum(sizes.values())
    return remembered(sizes, factored(config, vocabulary_size) + counted["norms"], optim)


def remembered(sizes: dict[str, int], factors: int, optim: OptimConfig) -> int:
    """Bytes an optimiser keeps for so many weights of each group; `factors` are Adafactor's numbers for all of them."""
    matrices, rest, rule = sizes["matrices"], sizes["rest"], optim.optimiser
    if rule.kind == "muon":
        numbers = matrices + 2 * rest
    elif rule.kind == "adafactor":
        numbers = factors
    else:
        copies = {"sgd": int(getattr(rule, "momentum", 0) > 0), "adam": 2, "adamw": 2, "lion": 1,
                  "rmsprop": 1 + (getattr(rule, "momentum", 0) > 0)}[rule.kind]  # fmt: skip
        numbers = copies * (matrices + rest)
    numbers += row_moments(optim.tables, sizes["tables"]) + row_moments(optim.head_tables, sizes["head_tables"])
    return 4 * (numbers + (sum(sizes.values()) if optim.average_decay else 0))


def row_moments(rule: RowAdamConfig | RowAdagradConfig, weights: int) -> int:
    """Numbers a table's rule keeps; one or two for a whole row are not worth counting."""
    by_weight = rule.squares == "weight" if rule.kind == "adagrad" else rule.beta1 > 0
    return weights * by_weight


def factored(config: GPTConfig, vocabulary_size: int) -> int:
    """Adafactor's numbers: one for each row and each column of every matrix (arXiv 1804.04235, algorithm 4)."""
    d, ff = config.d_model, config.resolved_d_ff
    q, kv = config.n_heads * config.resolved_d_head, config.resolved_n_kv_heads * config.resolved_d_head
    layer = (q + 2 * kv + d) + (d + q) + (ff * (2 if config.gated_mlp else 1) + d) + (ff + d)
    return config.n_layers * layer + (vocabulary_size + d) * (1 if config.tied_head else 2)


def activations(config: GPTConfig, batch_tokens: int, dtype: str = "float32", context_length: int = 0) -> int:
    """Bytes that autograd keeps for the backward pass of the trunk.

    Per layer and token: x, norm(x), the query-key-value row, normed and turned queries and keys, the attended values,
    x again, norm(x) again, and the MLP's inner values. Half as wide where autocast computes in bfloat16.
    """
    d, ff, narrow = config.d_model, config.resolved_d_ff, 2 if dtype == "bfloat16" else 4
    q, kv = config.n_heads * config.resolved_d_head, config.resolved_n_kv_heads * config.resolved_d_head
    attention = q + 2 * kv + (q + kv if config.qk_norm or config.positions == "rotary" else 0) + q
    inner = {"relu2": 2 * ff, "gelu": 2 * ff, "gelu_tanh": 2 * ff}.get(config.mlp, 4 * ff)
    if config.norm == "rms" and config.qk_norm:
        attention += q + kv
    layer = 4 * d * 2 + narrow * (2 * d + attention + inner)
    if config.dropout:
        # With dropout the CPU has no fused attention kernel: it keeps the scores, their mask and their product.
        layer += 4 * 3 * config.n_heads * (context_length or config.context_length)
    window_mask = 0
    if any(window and window < (context_length or config.context_length) for window in config.windows):
        window_mask = (context_length or config.context_length) ** 2
    return batch_tokens * (config.n_layers * layer + 4 * 2 * d) + window_mask


def logits(config: GPTConfig, vocabulary_size: int, batch_tokens: int, device: str) -> int:
    """Bytes the head and its cross-entropy hold at once, whole or a chunk at a time."""
    numbers, at_head = vocabulary_size * batch_tokens, len(config.ngram_head_orders)
    # Rows of tables travel in the hidden state, beside the model's own channels; before, each stands alone.
    width = config.d_model + vocabulary_size if at_head else 0
    if numbers <= PLAIN_LOGITS.get(device, PLAIN_LOGITS["cpu"]):
        return 4 * (max(PLAIN_COPIES, at_head + 1) * numbers + width * batch_tokens)
    chunk = max(vocabulary_size, CHUNK_LOGITS.get(device, CHUNK_LOGITS["cpu"]))
    # With tables the head is put together as a matrix: itself, the identity in it, and its gradient.
    held = max(CHUNK_COPIES * chunk + 3 * vocabulary_size * width, at_head * numbers) + width * batch_tokens
    hidden_gradient = (width or config.d_model) * batch_tokens
    return 4 * (held + hidden_gradient)


def workspace(config: GPTConfig, vocabulary_size: int, batch_tokens: int, optim: OptimConfig) -> int:
    """Bytes that live for a moment: one layer's gradients of activations, or the optimiser's own temporaries."""
    d, ff = config.d_model, config.resolved_d_ff
    layer = 4 * batch_tokens * (2 * ff + 2 * d)
    if optim.optimiser.kind == "muon":
        # Newton-Schulz stacks all matrices of one shape: the stack, its update and one product.
        layer = max(layer, 4 * 3 * config.n_layers * 2 * d * ff)
    return layer
