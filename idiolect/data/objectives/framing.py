"""How a text to be continued is put to an encoder-decoder: in the form that its objective has taught it.

    prefix_lm          source  text             decoder begins   |
    denoising          source  <S> text         decoder begins   |        <S>: the token of sequential samples, if any
    span_corruption    source  text <0>         decoder begins   | <0>    and <1> ends what it writes

(`|` is the end token, <0> the first sentinel.) Decoding and scoring both read a framing; it is made from the recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from idiolect.config import Config
from idiolect.data.config import span_counts
from idiolect.data.objectives.denoising import mode_ids
from idiolect.data.objectives.prefix import half


@dataclass(frozen=True)
class Framing:
    """What surrounds a text in the source, what the decoder starts from, and which ids end what it writes.

    `source_length` is how many of the text's last tokens the source takes, `target_length` how many tokens the decoder
    writes before the text is framed anew: about as many as in training.
    """

    source_length: int
    target_length: int
    start: tuple[int, ...]
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    stop_ids: tuple[int, ...] = ()

    def source(self, ids: Sequence[int]) -> list[int]:
        """The source for a text of these ids; an empty text is what the decoder starts from: a document's beginning."""
        return [*self.before, *(ids[-self.source_length :] if len(ids) else self.start[:1]), *self.after]


def plain_framing(context_length: int, end_id: int) -> Framing:
    """A text as the source, its continuation as the target."""
    n_source = max(1, half(context_length))
    return Framing(n_source, max(1, context_length - n_source), (end_id,))


def build_framing(config: Config, context_length: int, vocabulary_size: int, end_id: int) -> Framing:
    """The framing of a (resolved) objective; `vocabulary_size` is the tokenizer's, before any extra ids."""
    plain = plain_framing(context_length, end_id)
    if config.kind == "denoising" and config.mode_tokens:
        sequential = mode_ids(config, context_length, vocabulary_size)[-1]
        return Framing(plain.source_length, plain.target_length, plain.start, before=(sequential,))
    if config.kind == "span_corruption":
        n_cut, _ = span_counts(context_length, config.share, config.mean_span)
        first = vocabulary_size
        return Framing(
            context_length - n_cut, n_cut, (end_id, first), after=(first,), stop_ids=(first + 1,)
        )  # fmt: skip
    return plain
