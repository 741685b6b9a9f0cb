"""Labelled texts -> batches; a model and a small head -> one answer a text. The training loop is the usual one.

    tokens_BT -> model -> hidden_BTD -> pool -> pooled_BD -> head -> logits_BC

Start at `LabelledSource.batch` and `Classifier`. A row is a text's tokens and the end token, at which a left-reading
model has read everything; padding stands behind it, where nothing looks, or may not (`PaddingApart`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from idiolect.data.batch import Batch
from idiolect.data.order import permuted
from idiolect.data.priced import Priced
from idiolect.tasks.config import ClassificationConfig
from idiolect.tasks.convolution_head import EmbeddingClassifier, build_embedding_classifier

# Samples whose lengths are sorted against one another are this many batches' worth: enough to waste little on
# padding (measured on SST-2 in batches of 32: 3 % of places against 52 %), few enough that a batch stays a random draw.
POOL_BATCHES = 32


@dataclass(frozen=True)
class Encoded:
    """Texts as token ids, each cut to the length the model reads and closed with the end token."""

    ids: list[np.ndarray]
    n_truncated: int


def encode(tokenizer, texts: Sequence[str], max_tokens: int) -> Encoded:
    """Tokens of each text, at most `max_tokens` with the end token; how many texts were cut is counted."""
    end = np.array([tokenizer.end_id])
    whole = tokenizer.encode_batch(texts)
    ids = [np.concatenate([ids[: max_tokens - 1], end]).astype(np.int32) for ids in whole]
    return Encoded(ids, sum(len(ids) > max_tokens - 1 for ids in whole))


class LabelledSource:
    """Labelled examples as a source of batches; their order is a pure function of (seed, epoch, index).

    With `group_samples` (give it the batch's size) an epoch's examples are dealt into groups of like length, in random
    order: a batch that is one group has little padding.
    """

    def __init__(self, encoded: Encoded, labels_N, pad_id: int, *, seed: int = 0, shuffle=True, group_samples: int = 0):
        assert len(encoded.ids) == len(labels_N) > 0, (len(encoded.ids), len(labels_N))
        self.n_samples = len(labels_N)
        self._ids, self._labels_N, self._pad_id = encoded.ids, np.asarray(labels_N, np.int64), pad_id
        self._lengths_N = np.array([len(ids) for ids in encoded.ids])
        self._seed, self._shuffle, self._group = seed, shuffle, group_samples
        self._ordered: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def order(self, epoch: int) -> np.ndarray:
        """The examples' order in an epoch."""
        if not self._shuffle:
            return np.arange(self.n_samples)
        held, order_N = self._ordered
        if held != epoch:
            order_N = permuted(np.arange(self.n_samples), self.n_samples, self._seed, epoch)
            if self._group > 1:
                order_N = self._grouped(order_N, epoch)
            self._ordered = (epoch, order_N)
        return order_N

    def _grouped(self, order_N: np.ndarray, epoch: int) -> np.ndarray:
        """Sort pools of the random order by length, cut them into groups, shuffle the groups."""
        size = self._group * POOL_BATCHES
        pools = [order_N[first : first + size] for first in range(0, len(order_N), size)]
        pools = [pool[np.argsort(self._lengths_N[pool], kind="stable")] for pool in pools]
        groups = [pool[first : first + self._group] for pool in pools for first in range(0, len(pool), self._group)]
        # A short group goes last, or all groups behind it would straddle two batches.
        full = [group for group in groups if len(group) == self._group]
        shuffled = [full[i] for i in permuted(np.arange(len(full)), len(full), self._seed + 1, epoch)] if full else []
        return np.concatenate(shuffled + [group for group in groups if len(group) < self._group])

    def batch(self, first: int, count: int) -> Batch:
        """Samples [first, first + count) of the endless sequence of epochs, padded to the longest of them.

        `loss_mask_BT` is True at each row's last real token, which is the one place that is scored.
        """
        chosen, position = [], first
        while position < first + count:
            epoch, index = divmod(position, self.n_samples)
            part = self.order(epoch)[index : index + first + count - position]
            chosen.append(part)
            position += len(part)
        chosen_B = np.concatenate(chosen)
        last_B = self._lengths_N[chosen_B] - 1
        tokens_BT = np.full((count, last_B.max() + 1), self._pad_id, np.int64)
        for row, example in enumerate(chosen_B):
            tokens_BT[row, : last_B[row] + 1] = self._ids[example]
        loss_mask_BT = torch.from_numpy(np.arange(tokens_BT.shape[1]) == last_B[:, None])
        labels_B = torch.from_numpy(self._labels_N[chosen_B])
        return Batch(torch.from_numpy(tokens_BT), None, loss_mask_BT, labels_B=labels_B)


class LastToken(nn.Module):
    """The hidden state at each row's last real token."""

    def forward(self, hidden_BTD: Tensor, last_BT: Tensor) -> Tensor:
        last_B = last_BT.int().argmax(1)
        return hidden_BTD[torch.arange(len(last_B), device=last_B.device), last_B]


def real_places(last_BT: Tensor) -> Tensor:
    """True up to each row's last real token, False at the padding behind it."""
    return last_BT.int().flip(1).cumsum(1).flip(1) > 0


class MeanOfTokens(nn.Module):
    """The mean hidden state of each row's real tokens."""

    def forward(self, hidden_BTD: Tensor, last_BT: Tensor) -> Tensor:
        real_BT1 = real_places(last_BT)[..., None]
        return (hidden_BTD * real_BT1).sum(1) / real_BT1.sum(1)


class Leftward(nn.Module):
    """Nothing beside the tokens: nothing looks at the padding, which stands to the right."""

    def forward(self, tokens_BT: Tensor, last_BT: Tensor) -> dict[str, Tensor]:
        return {}


class PaddingApart(nn.Module):
    """Numbers that make the padding a document of its own, unseen by what reads both sides."""

    def forward(self, tokens_BT: Tensor, last_BT: Tensor) -> dict[str, Tensor]:
        return {"document_BT": (~real_places(last_BT)).long()}


class ReadTwice(nn.Module):
    """The text as the source of itself: encoder and decoder both read it (BART, arXiv 1910.13461, section 3.2)."""

    def forward(self, tokens_BT: Tensor, last_BT: Tensor) -> dict[str, Tensor]:
        return {"source_BS": tokens_BT, "source_mask_BS": real_places(last_BT)}


READINGS = {"left": Leftward, "both": PaddingApart, "source": ReadTwice}
POOLS = {"last": LastToken, "mean": MeanOfTokens}


class ClassificationHead(nn.Module):
    """Pooled hidden states to logits: dropout and one matrix."""

    # The optimiser treats a head's matrix as a head, not as a hidden matrix.
    head_names = ("linear.weight",)

    def __init__(self, d_model: int, n_classes: int, config: ClassificationConfig):
        super().__init__()
        self.pool = POOLS[config.pool]()
        self.dropout = nn.Dropout(config.resolved_dropout)
        # nn.Linear fills itself from the global random state; this one is empty until the next lines.
        self.linear = nn.utils.skip_init(nn.Linear, d_model, n_classes)
        with torch.no_grad():
            self.linear.bias.zero_()
            self.linear.weight.zero_()
            if config.head_init == "small":
                self.linear.weight.normal_(0, 0.02, generator=torch.Generator().manual_seed(config.seed))

    def forward(self, hidden_BTD: Tensor, last_BT: Tensor) -> Tensor:
        return self.linear(self.dropout(self.pool(hidden_BTD, last_BT)))


class Classifier(nn.Module):
    """A language model's trunk with a classification head; the model's parameters keep their names under `model.`."""

    def __init__(self, model: nn.Module, head: ClassificationHead, freeze: bool = False):
        super().__init__()
        self.model, self.head = model, head
        self.reads, self.context_length = model.reads, model.context_length
        self.reading = READINGS[model.reads]()
        model.requires_grad_(not freeze)

    def forward(self, tokens_BT: Tensor, last_BT: Tensor) -> Tensor:
        """Logits (B, C); `last_BT` is True at each row's last real token."""
        hidden_BTD, _ = self.model(tokens_BT, **self.reading(tokens_BT, last_BT))
        return self.head(hidden_BTD, last_BT)


def build_classifier(
    config: ClassificationConfig, model: nn.Module, n_classes: int
) -> Classifier | EmbeddingClassifier:
    """The model with a fresh head, which draws nothing from the global random state."""
    if config.head == "convolution":
        return build_embedding_classifier(config, model, n_classes)
    head = ClassificationHead(model.head_weight.shape[1], n_classes, config)
    return Classifier(model, head.to(model.head_weight.device), config.freeze)


def classification_loss(classifier: Classifier, batch: Batch, label_smoothing: float = 0.0) -> Priced:
    """Sum of nats of the right labels and how many labels there are: the training loop's contract.

    `label_smoothing` is the share of each label's probability spread over all classes, in what is minimised alone.
    """
    logits_BC = classifier(batch.tokens_BT, batch.loss_mask_BT).float()
    nats = F.cross_entropy(logits_BC, batch.labels_B, reduction="sum")
    loss = nats
    if label_smoothing:
        loss = F.cross_entropy(logits_BC, batch.labels_B, reduction="sum", label_smoothing=label_smoothing)
    return Priced(loss, torch.full((), len(batch.labels_B), device=nats.device), nats.detach())


def logits_of(classifier: Classifier, encoded: Encoded, pad_id: int, *, batch_tokens: int = 16_384, device=None):
    """(N, C) float32 logits in the order of the texts, with dropout off; texts of like length go through together."""
    where = device.torch if device is not None else classifier.head.linear.weight.device
    lengths_N = np.array([len(ids) for ids in encoded.ids])
    by_length_N = np.argsort(-lengths_N, kind="stable")
    ordered = Encoded([encoded.ids[i] for i in by_length_N], 0)
    source = LabelledSource(ordered, np.zeros(len(lengths_N)), pad_id, shuffle=False)
    logits_NC = np.empty((len(lengths_N), classifier.head.linear.out_features), np.float32)
    training, first = classifier.training, 0
    classifier.eval()
    try:
        with torch.no_grad():
            while first < len(lengths_N):
                count = min(max(1, batch_tokens // int(lengths_N[by_length_N[first]])), len(lengths_N) - first)
                batch = source.batch(first, count).to(where)
                with device.autocast() if device is not None else torch.autocast("cpu", enabled=False):
                    logits_BC = classifier(batch.tokens_BT, batch.loss_mask_BT)
                logits_NC[by_length_N[first : first + count]] = logits_BC.float().cpu().numpy()
                first += count
    finally:
        classifier.train(training)
    return logits_NC


def predict(classifier, tokenizer, texts: Sequence[str], names: Sequence[str], *, max_tokens: int = 0) -> list[dict]:
    """For each text its label and the probability of every label, likeliest first."""
    if not texts:
        return []
    encoded = encode(tokenizer, texts, max_tokens or classifier.context_length)
    logits_NC = torch.from_numpy(logits_of(classifier, encoded, tokenizer.pad_id))
    answers = []
    for p_C in logits_NC.softmax(-1).tolist():
        ranked = sorted(zip(names, p_C, strict=True), key=lambda pair: -pair[1])
        answers.append({"label": ranked[0][0], "probabilities": dict(ranked)})
    return answers
