"""A convolutional classifier over token embeddings (Kim 2014, arXiv 1408.5882): filters, their strongest answers.

    tokens_BT -> embeddings_BTD -> filters of several widths, ReLU, maximum over time -> dropout -> logits_BC

The language model lends its embedding and nothing else; its blocks are not run. `task.freeze` keeps the embedding as it
is ("static"), else it is fitted, too.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.models.convolutional import convolve
from idiolect.models.token_embedding import embedding_name, embedding_rms
from idiolect.tasks.config import ClassificationConfig


class StrongestOfFilters(nn.Module):
    """relu(filters of one width), then each filter's maximum over the text: (B, T, D) to (B, n_filters)."""

    def __init__(self, d_model: int, width: int, n_filters: int, generator: torch.Generator):
        super().__init__()
        self.width = width
        # Uniform with variance 2 / inputs, which a rectifier halves to the input's own (arXiv 1502.01852).
        bound = math.sqrt(6 / (width * d_model))
        drawn = torch.rand(n_filters, width * d_model, generator=generator)
        self.weight = nn.Parameter(drawn.mul_(2 * bound).sub_(bound))
        self.bias = nn.Parameter(torch.zeros(n_filters))

    def forward(self, x_BTD: Tensor, last_B: Tensor) -> Tensor:
        """`x_BTD` is zero behind each row's last token, `last_B`; what lies wholly behind it is never the strongest."""
        # Zeros on both sides, so that every window that touches a token is seen, in a text of one token as well.
        wide_BSD = F.pad(x_BTD, (0, 0, self.width - 1, self.width - 1))
        found_BSF = convolve(wide_BSD, self.weight, self.bias, self.width)
        place_S = torch.arange(found_BSF.shape[1], device=last_B.device)
        behind_BS1 = (place_S > last_B[:, None] + self.width - 1)[..., None]
        # Rectified first, what is struck out may stand as 0, which is never above the strongest.
        return found_BSF.relu().masked_fill(behind_BS1, 0).amax(1)


class RowLimit(nn.Module):
    """Pulls a matrix's longer rows back to a length (section 2.1), before the rows are used."""

    def __init__(self, length: float):
        super().__init__()
        self.length = length

    def forward(self, weight_CF: Tensor) -> None:
        with torch.no_grad():
            norm_C1 = torch.linalg.vector_norm(weight_CF, dim=1, keepdim=True)
            weight_CF.mul_((self.length / norm_C1).clamp(max=1))


class NoLimit(nn.Module):
    """Rows may grow."""

    def forward(self, weight_CF: Tensor) -> None:
        return None


class ConvolutionHead(nn.Module):
    """Embeddings to logits. `scale` brings the embedding to the size that the filters expect, a variance of 1."""

    # The optimiser treats a head's matrix as a head, not as a hidden matrix.
    head_names = ("linear.weight",)

    def __init__(self, d_model: int, n_classes: int, config: ClassificationConfig, scale: float = 1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(config.seed)
        self.d_model, self.scale = d_model, scale
        self.filters = nn.ModuleList(
            StrongestOfFilters(d_model, width, config.n_filters, generator) for width in config.filter_widths
        )
        self.dropout = nn.Dropout(config.resolved_dropout)
        self.linear = nn.utils.skip_init(nn.Linear, len(config.filter_widths) * config.n_filters, n_classes)
        self.limit = RowLimit(config.max_norm) if config.max_norm else NoLimit()
        with torch.no_grad():
            self.linear.bias.zero_()
            self.linear.weight.zero_()
            if config.head_init == "small":
                self.linear.weight.normal_(0, 0.02, generator=generator)

    def forward(self, x_BTD: Tensor, last_BT: Tensor) -> Tensor:
        """Logits (B, C); `last_BT` is True at each row's last real token."""
        last_B = last_BT.int().argmax(1)
        real_BT1 = (torch.arange(x_BTD.shape[1], device=last_B.device) <= last_B[:, None])[..., None]
        x_BTD = x_BTD * (real_BT1 * self.scale)
        strongest_BF = torch.cat([part(x_BTD, last_B) for part in self.filters], 1)
        self.limit(self.linear.weight)
        return self.linear(self.dropout(strongest_BF))


class EmbeddingClassifier(nn.Module):
    """A language model's token embedding under a convolution; the model's parameters are named as in `Classifier`."""

    def __init__(self, model: nn.Module, head: ConvolutionHead, freeze: bool):
        super().__init__()
        self.model, self.head = model, head
        self.reads, self.context_length = model.reads, model.context_length
        self._embedding = embedding_name(model)
        # What is not run is not trained: it would only be decayed.
        model.requires_grad_(False)
        model.get_parameter(self._embedding).requires_grad_(not freeze)

    def forward(self, tokens_BT: Tensor, last_BT: Tensor) -> Tensor:
        """Logits (B, C); `last_BT` is True at each row's last real token."""
        return self.head(F.embedding(tokens_BT, self.model.get_parameter(self._embedding)), last_BT)


def build_embedding_classifier(config: ClassificationConfig, model: nn.Module, n_classes: int) -> EmbeddingClassifier:
    """The model's embedding under fresh filters, which draw nothing from the global random state."""
    table_VD = model.get_parameter(embedding_name(model))
    scale = 1 / max(embedding_rms(model), 1e-6)
    head = ConvolutionHead(table_VD.shape[1], n_classes, config, scale)
    return EmbeddingClassifier(model, head.to(table_VD.device), config.freeze)


def count_flops(config: ClassificationConfig, d_model: int) -> int:
    """Operations of the forward pass per token; the matrix at the end is counted once a text, and left out."""
    return sum(2 * width * d_model * config.n_filters for width in config.filter_widths)
