"""One head's attention of a recurrent decoder to its source: four scores of how well a state fits a source position.

    dot        h . m                          Luong et al. 2015 (arXiv 1508.04025), equation 8
    general    h . (W m)                      the same
    concat     v . tanh(W h + U m)            the same, with its one matrix over both as two
    bahdanau   v . tanh(W s + U m)            arXiv 1409.0473, appendix A.1.2: s is the state before the token is read

Weights are the scores' softmax over the source, and what is found is the memory's mean under them.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from idiolect.models.config import Seq2SeqConfig
from idiolect.models.kernels import attend
from idiolect.models.layers import Linear
from idiolect.models.masks import Reach


@dataclass(frozen=True)
class Source:
    """The encoded source as targets see it: `keys_BSD` is what scores compare, memory what is found.

    `blind_BT1` are targets that see nothing; of `reach` and it, a target's dimension may be 1 for all.
    """

    memory_BSD: Tensor
    keys_BSD: Tensor
    reach: Reach
    blind_BT1: Tensor | None

    def at(self, target: int) -> "Source":
        """As that target alone sees it."""
        mask_B1TS, blind_BT1 = self.reach.attention_mask, self.blind_BT1
        if mask_B1TS is None or mask_B1TS.shape[2] == 1:
            return self
        one = slice(target, target + 1)
        return replace(self, reach=Reach(mask_B1TS[:, :, one], False), blind_BT1=blind_BT1[:, one])


class DotScore(nn.Module):
    """Queries and memory compared as they are."""

    def keys(self, memory_BSD: Tensor) -> Tensor:
        return memory_BSD

    def forward(self, q_BTD: Tensor, keys_BSD: Tensor, memory_BSD: Tensor, reach: Reach) -> Tensor:
        memory_B1SD = memory_BSD[:, None]
        return attend(q_BTD[:, None], memory_B1SD, memory_B1SD, reach, 1.0)[:, 0]


class GeneralScore(nn.Module):
    """Queries compared with the memory under a learned matrix."""

    def __init__(self, d_model: int):
        super().__init__()
        self.query, self.compare = Linear(d_model, d_model, bias=False), DotScore()

    def keys(self, memory_BSD: Tensor) -> Tensor:
        return memory_BSD

    def forward(self, q_BTD: Tensor, keys_BSD: Tensor, memory_BSD: Tensor, reach: Reach) -> Tensor:
        return self.compare(self.query(q_BTD), keys_BSD, memory_BSD, reach)


class AdditiveScore(nn.Module):
    """A hidden layer over each pair of a query and a source position: every pair takes d_model numbers."""

    def __init__(self, d_model: int):
        super().__init__()
        self.query, self.key = Linear(d_model, d_model, bias=False), Linear(d_model, d_model, bias=False)
        self.score = Linear(d_model, 1, bias=False)

    def keys(self, memory_BSD: Tensor) -> Tensor:
        return self.key(memory_BSD)

    def forward(self, q_BTD: Tensor, keys_BSD: Tensor, memory_BSD: Tensor, reach: Reach) -> Tensor:
        pair_BTSD = torch.tanh(self.query(q_BTD)[:, :, None] + keys_BSD[:, None])
        scores_BTS = self.score(pair_BTSD).squeeze(-1).float()
        if reach.attention_mask is not None:
            scores_BTS = scores_BTS.masked_fill(~reach.attention_mask[:, 0], -torch.inf)
        return scores_BTS.softmax(-1).to(memory_BSD.dtype) @ memory_BSD


def build_score(config: Seq2SeqConfig) -> nn.Module:
    """The score the config asks for."""
    if config.attention == "dot":
        return DotScore()
    return (AdditiveScore if config.is_additive else GeneralScore)(config.d_model)


class StateAfter(nn.Module):
    """Asks with the state after the token was read."""

    def forward(self, h_TBD: Tensor, before_BD: Tensor, begins_TB1: Tensor | None) -> Tensor:
        return h_TBD


class StateBefore(nn.Module):
    """Asks with the state before the token was read; at the beginning of a document that is nothing."""

    def forward(self, h_TBD: Tensor, before_BD: Tensor, begins_TB1: Tensor | None) -> Tensor:
        before_TBD = torch.cat((before_BD[None].to(h_TBD.dtype), h_TBD[:-1]))
        return before_TBD if begins_TB1 is None else before_TBD.masked_fill(begins_TB1, 0.0)


class SourceAttention(nn.Module):
    """tanh(W [found; h]), the attentional state (arXiv 1508.04025, equation 5), for every target at once."""

    def __init__(self, config: Seq2SeqConfig):
        super().__init__()
        self.score = build_score(config)
        self.ask = StateBefore() if config.attention == "bahdanau" else StateAfter()
        self.combine = Linear(2 * config.d_model, config.d_model, bias=False)

    def keys(self, memory_BSD: Tensor) -> Tensor:
        """What of the memory is compared with every query, made once."""
        return self.score.keys(memory_BSD)

    def forward(self, h_TBD: Tensor, before_BD: Tensor, begins_TB1: Tensor | None, source: Source) -> Tensor:
        """Attentional states (T, B, D) of the states `h_TBD`; `before_BD` is the state before the first."""
        q_BTD = self.ask(h_TBD, before_BD, begins_TB1).transpose(0, 1)
        found_BTD = self.score(q_BTD, source.keys_BSD, source.memory_BSD.to(q_BTD.dtype), source.reach)
        if source.blind_BT1 is not None:
            found_BTD = found_BTD.masked_fill(source.blind_BT1, 0.0)
        return torch.tanh(self.combine(torch.cat((found_BTD.transpose(0, 1), h_TBD), dim=-1)))
