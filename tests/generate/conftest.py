"""A byte tokenizer that owes nothing to the tokenizer room, and small models of many kinds."""

import numpy as np
import pytest
import torch

from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig, gpt2_like, llama_like

SIZES = dict(context_length=32, n_layers=2, d_model=32, n_heads=4)
OPTIONS = {
    "default": GPTConfig(**SIZES),
    "gpt2": gpt2_like(**SIZES),
    "llama": llama_like(**SIZES, n_kv_heads=2),
    "windows": GPTConfig(**SIZES, sliding_window=6, window_pattern="SL"),
    "ngrams": GPTConfig(**SIZES, ngram_orders=(2, 3), ngram_buckets=64, value_embeddings="all", logit_softcap=15.0),
    "sinusoidal": GPTConfig(**SIZES, positions="sinusoidal", embedding_norm=True, norm_scale=False),
}


class ByteTokenizer:
    """Ids 0 to 255 are bytes; 256 ends a document, 257 is padding, 258 reserved."""

    vocabulary_size = 259
    end_id, pad_id = 256, 257
    kind = "byte"
    bytes_per_token = np.array([1] * 256 + [0] * 3)

    def encode(self, text):
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def decode_bytes(self, ids):
        return bytes(i for i in ids if i < 256)

    def decode(self, ids):
        return self.decode_bytes(ids).decode(errors="replace")


@pytest.fixture(scope="session")
def tokenizer():
    return ByteTokenizer()


def lively(config, seed=0, vocabulary_size=264):
    """A model whose every parameter matters: nothing starts at zero, and the logits are far from flat."""
    model = build_model(config, vocabulary_size, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model.eval()


@pytest.fixture(params=OPTIONS)
def any_model(request):
    return lively(OPTIONS[request.param])


@pytest.fixture
def model():
    return lively(OPTIONS["default"])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
