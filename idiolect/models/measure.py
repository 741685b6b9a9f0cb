"""Parameters and floating-point operations, counted from the config alone; tests hold them against the module.

One multiplication and one addition are two operations. Attention scores are counted over every position a query may
be compared with by the kernel, the masked half included, as is the custom for utilisation (arXiv 2204.02311,
appendix B); norms, activations and look-ups are left out, together a few per cent.
"""

import psutil

from idiolect.errors import ResourceError
from idiolect.models.config import GPTConfig, table_rows
from idiolect.progress import show_bytes


def parameters(config: GPTConfig, vocabulary_size: int) -> dict[str, int]:
    """Learned numbers by part, and their `total`."""
    d, ff = config.d_model, config.resolved_d_ff
    q, kv = config.n_heads * config.resolved_d_head, config.resolved_n_kv_heads * config.resolved_d_head
    up = 2 * ff if config.gated_mlp else ff
    bias = config.bias
    norm = _norm(config, d)
    qk_norm = 2 * _norm(config, config.resolved_d_head) if config.qk_norm else 0
    parts = {
        "embeddings": vocabulary_size * d,
        "positions": config.context_length * d if config.positions == "learned" else 0,
        "ngram_tables": d * _rows(config.ngram_orders, config.ngram_buckets, vocabulary_size),
        "value_embeddings": len(config.value_embedding_layers) * (vocabulary_size * kv + 2),
        "attention": config.n_layers * (d * (q + 2 * kv) + q * d + bias * (q + 2 * kv + d)),
        "mlp": config.n_layers * (d * up + ff * d + bias * (up + d)),
        "norms": config.n_layers * (2 * norm + qk_norm) + norm * (2 if config.embedding_norm else 1),
        "head": 0 if config.tied_head else vocabulary_size * d,
        "ngram_head_tables": vocabulary_size
        * _rows(config.ngram_head_orders, config.ngram_head_buckets, vocabulary_size),
    }
    return parts | {"total": sum(parts.values())}


def check_memory(config: GPTConfig, vocabulary_size: int) -> None:
    """Raises ResourceError when the weights alone are more than this machine's memory, before any is allocated."""
    parts = parameters(config, vocabulary_size)
    needed, there = 4 * parts.pop("total"), psutil.virtual_memory().total
    if needed > there:
        largest = max(parts, key=parts.__getitem__)
        raise ResourceError(
            f"a model of {needed // 4:,} parameters does not fit this machine",
            why=f"its weights take {show_bytes(needed)} of float32 ({largest} {show_bytes(4 * parts[largest])}), and "
            f"the machine has {show_bytes(there)}",
            fix="a smaller --model.d_model, --model.n_layers or --tokenizer.vocabulary_size; idiolect plan finds a fit",
        )


def flops_per_token(config: GPTConfig, vocabulary_size: int, context_length: int = 0) -> dict[str, int]:
    """Operations per token by part at a context length (0 = the model's), `forward`, and `training` = 3 forwards."""
    d, ff = config.d_model, config.resolved_d_ff
    n_source = context_length or config.context_length
    q, kv = config.n_heads * config.resolved_d_head, config.resolved_n_kv_heads * config.resolved_d_head
    parts = {
        "projections": config.n_layers * 2 * (d * (q + 2 * kv) + q * d),
        "scores": config.n_layers * 2 * 2 * q * n_source,
        "mlp": config.n_layers * 2 * (d * (2 * ff if config.gated_mlp else ff) + ff * d),
        "head": 2 * vocabulary_size * d,
    }
    forward = sum(parts.values())
    # The backward pass computes two products, by inputs and by weights, for each of the forward's.
    return parts | {"forward": forward, "training": 3 * forward}


def _rows(orders: tuple[int, ...], n_buckets: int, vocabulary_size: int) -> int:
    return sum(table_rows(order, n_buckets, vocabulary_size) for order in orders)


def _norm(config: GPTConfig, width: int) -> int:
    if not config.norm_scale:
        return 0
    return width * (2 if config.norm == "layer" and config.bias else 1)
