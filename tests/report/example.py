"""A made-up but realistic run, as the report receives it."""

import math
import random

from tests.report import compared


def run() -> dict:
    """Every part filled in."""
    chance = random.Random(7)
    metrics = []
    for step in range(10, 3001, 10):
        nats = 1.62 * 2.35 + 5.1 * math.exp(-step / 160) + 1.4 * math.exp(-step / 900) + chance.gauss(0, 0.05)
        line = {
            "step": step,
            "train_nats": nats,
            "train_bits_per_byte": nats / 2.35 / math.log(2) * 0.72,
            "learning_rate": 0.02 * min(step / 100, 1, max(0.0, (3000 - step) / 900)),
            "grad_norm": 0.4 + 3 * math.exp(-step / 90) + abs(chance.gauss(0, 0.08)),
            "tokens": step * 4096,
            "tokens_per_second": 41_500 + chance.gauss(0, 900),
            "seconds": step * 0.0986,
            "memory_bytes": 912_000_000,
            "mfu": 0.71 + chance.gauss(0, 0.01),
        }
        if step % 150 == 0:
            line["validation_nats"] = nats + 0.06
            line["validation_bits_per_byte"] = (nats + 0.06) / 2.35 / math.log(2) * 0.72
        metrics.append(line)
    final = metrics[-1]["validation_bits_per_byte"]

    def score(value: float, half: float, n: int) -> dict:
        return {"value": value, "low": value - half, "high": value + half, "n": n}

    drop = {"source": "torch/nn/functional.py", "id": "9f0c"}
    return {
        "name": "library docs, five minutes",
        "recipe": {
            "model.kind": "gpt",
            "model.n_layers": 6,
            "model.d_model": 192,
            "model.n_heads": 6,
            "model.context_length": 256,
            "model.tied_head": True,
            "model.dropout": 0.0,
            "tokenizer.kind": "bpe",
            "tokenizer.vocabulary_size": 4096,
            "train.steps": 3000,
            "train.batch_tokens": 4096,
            "optim.optimiser.kind": "muon",
            "optim.optimiser.learning_rate": 0.02,
            "data.seed": 0,
            "corpus.sources": ["python", "numpy", "sympy", "networkx", "torch"],
        },
        "audit": {
            "read": {"files": 2143, "documents": 18214, "bytes": 16_204_311},
            "kept": {
                "train": {"documents": 9120, "bytes": 5_512_880},
                "validation": {"documents": 496, "bytes": 301_221},
                "test": {"documents": 511, "bytes": 309_870},
            },
            "dropped": {
                "exact_duplicate": {
                    "documents": 3912,
                    "bytes": 6_120_440,
                    "samples": [
                        drop | {"text": "Return a copy of the array collapsed into one dimension."},
                        drop | {"text": "See also\n--------\nravel : Return a flattened array."},
                    ],
                },
                "too_short": {"documents": 3870, "bytes": 201_330, "samples": [drop | {"text": "Helper for mul."}]},
                "too_long": {"documents": 12, "bytes": 3_610_200, "samples": []},
                "mostly_code": {
                    "documents": 293,
                    "bytes": 148_370,
                    "samples": [drop | {"text": ">>> torch.ones(2, 3)\ntensor([[1., 1., 1.],\n        [1., 1., 1.]])"}],
                },
            },
            "sources": [
                {"source": "torch 2.13.0", "licence": "BSD-3-Clause", "documents": 3011, "bytes": 2_310_440},
                {"source": "sympy 1.14.0", "licence": "BSD-3-Clause", "documents": 2894, "bytes": 1_702_118},
                {"source": "python 3.11.7", "licence": "PSF-2.0", "documents": 2310, "bytes": 1_188_903},
                {"source": "numpy 2.4.6", "licence": "BSD-3-Clause", "documents": 1240, "bytes": 611_092},
                {"source": "networkx 3.6.1", "licence": "BSD-3-Clause", "documents": 672, "bytes": 311_418},
            ],
            "lengths": [max(40, int(chance.lognormvariate(6.1, 0.9))) for _ in range(4000)],
            "skipped_files": [{"file": "sympy/_version.bin", "reason": "binary: 34 % of bytes are NUL"}],
        },
        "tokenizer": {
            "kind": "bpe",
            "vocabulary_size": 4096,
            "bytes_per_token": 3.91,
            "fertility": 1.34,
            "vocabulary_used": 0.998,
            "lossless": True,
            "train_tokens": 1_409_900,
            "hash": "4be1a0c97c2f11d8",
            "longest": [
                " multidimensional",
                " eigenvalues",
                " implementation",
                " representation",
                " polynomial",
                " deprecated",
                "\n\n    Parameters",
                " distribution",
                " NotImplemented",
            ],
            "examples": [
                ["Return", " the", " eigen", "values", " of", " a", " symmetric", " matrix", "."],
                ["The", " quick", " br", "own", " f", "ox", " jump", "s", " over", " the", " lazy", " dog"],
                ["na", "ï", "ve", " caf", "é", " ", "☕", " —", " 東", "京"],
            ],
            "unseen": [" Bessel", " Gauß"],
        },
        "model": {
            "parameters": {
                "token_embedding": 786_432,
                "attention": 884_736,
                "mlp": 1_769_472,
                "norms": 2_496,
                "total": 3_443_136,
            },
            "flops_per_token": {
                "attention": 2_359_296,
                "mlp": 3_538_944,
                "head": 1_572_864,
                "forward": 7_471_104,
                "training": 22_413_312,
            },
        },
        "metrics": metrics,
        "floors": {
            "uniform": {"bits_per_byte": 3.069, "nats": 8.318},
            "unigram": {"bits_per_byte": 2.41, "nats": 6.53},
            "kneser_ney_3": {"bits_per_byte": 1.861, "nats": 5.04},
            "kneser_ney_5": {"bits_per_byte": 1.792, "nats": 4.86},
        },
        "evaluation": {
            "validation": {
                "bits_per_byte": score(final + 0.01, 0.021, 301_221),
                "nats": score(3.93, 0.05, 77_040),
                "perplexity": score(50.9, 2.5, 77_040),
                "token_accuracy": score(0.361, 0.004, 77_040),
            },
            "test": {
                "bits_per_byte": score(final + 0.022, 0.02, 309_870),
                "nats": score(3.96, 0.05, 79_251),
                "perplexity": score(52.5, 2.6, 79_251),
                "token_accuracy": score(0.359, 0.004, 79_251),
            },
        },
        "samples": [
            {
                "prompt": "Return the",
                "temperature": 0.8,
                "seed": 0,
                "text": "Return the eigenvalues of the matrix. The result is a one-dimensional "
                "array of complex numbers, "
                "sorted by magnitude; if the matrix is symmetric they are real. Parameters are "
                "checked before anything is "
                "computed, and a ValueError is raised when the array isn't square.",
            },
            {
                "prompt": "A graph is",
                "temperature": 0.8,
                "seed": 1,
                "text": "A graph is connected if there is a path between every pair of nodes. This "
                "function returns True "
                "for the empty graph, and it does not check edges that have no weight.",
            },
            {
                "prompt": "If the file",
                "temperature": 0.8,
                "seed": 2,
                "text": "If the file can't be opened, an OSError is raised. The mode argument is a "
                "string that says how\n"
                "the stream is read:\n\n    'r'   for reading (the default)\n    'w'   for writing",
            },
            {
                "prompt": "Note:",
                "temperature": 0.8,
                "seed": 3,
                "text": "Note: This module is deprecated since version 3.2, and the tensor of the "
                "same size as the input "
                "is returned when the dimension is not given.",
            },
        ],
        "finetune": {
            "task": "classification",
            "dataset": "which library is this?",
            "parent": "library docs, five minutes",
            "scores": {"accuracy": score(0.914, 0.018, 980), "macro_f1": score(0.902, 0.021, 980)},
            "baselines": {
                "tf_idf": {"accuracy": score(0.887, 0.02, 980), "macro_f1": score(0.871, 0.023, 980)},
                "majority": {"accuracy": score(0.298, 0.029, 980), "macro_f1": score(0.092, 0.004, 980)},
            },
        },
        "reads": "left",
        "comparison": compared.comparison(),
        "text_note": "text is lower-cased: its scores say nothing of the text as it was",
        "embeddings": {
            "step": 3000,
            "vectors": 4096,
            "width": 192,
            "source": "glove.txt",
            "coverage": {
                "types": 4091,
                "types_found": 2311,
                "token_coverage": 0.71,
                "steps": {"exact": 2200, "lower_case": 111},
                "not_found": [{"token": " ndarray", "count": 4021}, {"token": "\n", "count": 3100}],
            },
            "map": {
                "words": ["array", "matrix", "graph", "tree", "return"],
                "x": [0.3, 0.31, -0.2, -0.25, 0.0],
                "y": [0.1, 0.12, 0.4, 0.38, -0.5],
                "share": 0.21,
            },
            "drift": {
                "n": 4000,
                "mean_cosine": 0.62,
                "histogram": [[round(-1 + 0.1 * step, 1), 10 * step] for step in range(20)],
                "most_moved": [{"word": "tensor", "id": 9, "cosine": -0.12}],
            },
            "neighbours": {"graph": [{"word": "tree", "id": 4, "cosine": 0.61}], "nowhere": None},
        },
        "lineage": {
            "created": "2026-11-21T09:40:11Z",
            "run": "5d1b7c22a09f31e4",
            "commands": ["pip install idiolect==0.1.0", "idiolect run demo.toml --name library-docs"],
            "inputs": {"corpus": "a17c3e5500b2d9f1", "tokenizer": "4be1a0c97c2f11d8", "shards": "77e0d1c0b8a6325f"},
            "versions": {"idiolect": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
            "hardware": {"processor": "x86-64, 2 cores", "memory": "24 GB", "system": "Linux 6.1"},
        },
        "cost": {
            "stages": {"prepare": 9.4, "tokenizer": 4.1, "training": 295.8, "evaluation": 14.9, "samples": 2.2},
            "total_seconds": 326.4,
            "peak_memory_bytes": 912_000_000,
            "money": 0.01,
            "currency": "USD",
            "rate_per_hour": 0.09,
        },
        "plan": {
            "predicted": {"seconds": 301.0, "memory_bytes": 958_000_000, "tokens": 12_288_000},
            "lines": [
                "budget            10 min, of which 5 min are training",
                "throughput        41.6 k tokens/s measured here (± 2 %)",
                "tokens            300 s × 41.6 k = 12.3 M = 8.7 epochs of 1.41 M",
            ],
        },
    }
