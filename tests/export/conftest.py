"""Models whose every parameter matters, and real tokenizers built on a few lines of text."""

import pytest
import torch

from idiolect.models.build import build_model
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It was a bright cold day in April.\n",
    "Grüße aus München: 42 Straßen, 1,000 Häuser! naïve café\n",
    "def f(x):\n    return x ** 2  # square\n",
    "she don't know, they'll see; we'd go\n",
] * 8  # fmt: skip


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def bpe():
    return build(TokenizerConfig(vocabulary_size=400), iter(TEXTS))


@pytest.fixture(scope="session")
def lively():
    def make(config, vocabulary_size, seed=0):
        model = build_model(config, vocabulary_size, seed)
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
        return model.eval()

    return make


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
