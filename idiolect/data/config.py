"""What a recipe may ask of the batches."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError


class Objective(Config):
    """What all objectives share. `prices_text`: its targets are text in order, so that they have bits per byte."""

    prices_text: ClassVar[bool] = True

    def n_extra_ids(self, context_length: int) -> int:
        """Token ids of its own that a model of this context length needs, after the tokenizer's."""
        return 0


class AutoObjective(Objective):
    """The family's own: causal for what reads leftward, masked for encoders, span corruption for encoder-decoders."""

    kind: Literal["auto"] = "auto"


class CausalObjective(Objective):
    """Predict each token from those before it."""

    kind: Literal["causal"] = "causal"


class MaskedObjective(Objective):
    """Hide some tokens and predict them from both sides (BERT, arXiv 1810.04805); drawn anew each epoch."""

    prices_text: ClassVar[bool] = False

    kind: Literal["masked"] = "masked"
    share: float = field(0.15, "share of tokens that are predicted", gt=0, lt=1)
    mask_share: float = field(0.8, "share of those that are replaced by the mask token", ge=0, le=1)
    random_share: float = field(0.1, "share of those that are replaced by a random token; the rest stay", ge=0, le=1)
    whole_words: bool = field(False, "hide all tokens of a word together")

    def n_extra_ids(self, context_length: int) -> int:
        return 1

    @model_validator(mode="after")
    def check_shares(self):
        if self.mask_share + self.random_share > 1:
            raise RecipeError(
                f"data.objective.mask_share = {self.mask_share} and random_share = {self.random_share} exceed 1",
                why="they are shares of the predicted tokens; what they leave stays as it is",
                fix=f"--data.objective.random_share={round(1 - self.mask_share, 6)}",
            )
        return self


class SpanCorruptionObjective(Objective):
    """Cut spans out of the source and write them down in order (T5, arXiv 1910.10683)."""

    prices_text: ClassVar[bool] = False

    kind: Literal["span_corruption"] = "span_corruption"
    share: float = field(0.15, "share of tokens that are cut out", gt=0, lt=1)
    mean_span: float = field(3.0, "mean tokens of a span", ge=1, le=1000)
    lengths: Literal["random", "fixed"] = field("random", "spans of random lengths with this mean, or all of it")

    def n_extra_ids(self, context_length: int) -> int:
        # One sentinel for each span, and the one that closes the target.
        return span_counts(context_length, self.share, self.mean_span)[1] + 1


def span_counts(n_tokens: int, share: float, mean_span: float) -> tuple[int, int]:
    """How many of a window's tokens are cut out, and into how many spans: the same for every window of this length.

    At least one of each; every span has a token, and a kept token stands before it (arXiv 1910.10683, appendix of
    the released code: `random_spans_noise_mask`).
    """
    n_cut = min(max(round(n_tokens * share), 1), max(1, n_tokens - 1))
    return n_cut, min(max(round(n_cut / mean_span), 1), n_cut, max(1, n_tokens - n_cut))


class PrefixObjective(Objective):
    """Read the first part of a window, predict the rest from it (arXiv 1910.10683, section 3.2.3)."""

    kind: Literal["prefix_lm"] = "prefix_lm"
    prefix: Literal["half", "random"] = field("half", "the prefix is half of the window, or a random part of it")


class FillInTheMiddleObjective(Objective):
    """Move the middle of a text to its end, so that a left reader learns to fill gaps (arXiv 2207.14255)."""

    kind: Literal["fill_in_the_middle"] = "fill_in_the_middle"
    share: float = field(0.5, "share of documents (or their pieces in a window) that are rearranged", ge=0, le=1)
    suffix_first: float = field(0.5, "share of those with the suffix before the prefix (SPM; the rest PSM)", ge=0, le=1)

    def n_extra_ids(self, context_length: int) -> int:
        return 3


# Share cut out and mean length of UL2's R- and X-denoisers (arXiv 2205.05131, section 3.1.2).
REGULAR_SPANS, EXTREME_SPANS = (0.15, 3.0), (0.5, 8.0)


class DenoisingObjective(Objective):
    """A mixture of span corruption, short and long, and prefix continuation (UL2, arXiv 2205.05131)."""

    prices_text: ClassVar[bool] = False

    kind: Literal["denoising"] = "denoising"
    regular: float = field(0.5, "weight of short spans: mean 3 tokens, 15 % cut out", ge=0, le=1)
    extreme: float = field(0.25, "weight of much corruption: mean 8 tokens, half of them cut out", ge=0, le=1)
    sequential: float = field(0.25, "weight of prefix continuation", ge=0, le=1)
    mode_tokens: bool = field(True, "begin each source with a token that names its kind")

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of the regular, the extreme and the sequential kind."""
        return self.regular, self.extreme, self.sequential

    def n_extra_ids(self, context_length: int) -> int:
        """Sentinels for the kind that needs the most, then a token for each of the three kinds."""
        most = max(span_counts(context_length, share, mean)[1] for share, mean in (REGULAR_SPANS, EXTREME_SPANS))
        return most + 1 + (3 if self.mode_tokens else 0)

    @model_validator(mode="after")
    def check_weights(self):
        if sum(self.weights) == 0:
            raise RecipeError(
                "data.objective gives all three kinds of denoising the weight 0",
                why="each sample is of one kind, drawn by these weights",
                fix="--data.objective.regular=0.5, --data.objective.extreme=0.25 or --data.objective.sequential=0.25",
            )
        return self


ObjectiveConfig = Annotated[
    AutoObjective
    | CausalObjective
    | MaskedObjective
    | SpanCorruptionObjective
    | PrefixObjective
    | FillInTheMiddleObjective
    | DenoisingObjective,
    Field(discriminator="kind"),
]

# What each way of reading can learn from; the first is its own.
SUITS = {
    "left": (CausalObjective, PrefixObjective, FillInTheMiddleObjective),
    "both": (MaskedObjective,),
    "source": (SpanCorruptionObjective, PrefixObjective, DenoisingObjective),
}
_WHY_NOT = {
    ("left", "masked"): "it reads leftward only, so what stands right of a gap is out of its sight",
    ("left", "span_corruption"): "it has no source to cut spans from",
    ("left", "denoising"): "it has no source to cut spans from",
    ("both", "causal"): "it sees both sides: each token would be predicted from itself",
    ("both", "prefix_lm"): "it sees both sides: each token would be predicted from itself",
    ("both", "fill_in_the_middle"): "it sees both sides: each token would be predicted from itself",
    ("both", "span_corruption"): "it has no decoder to write the spans down",
    ("both", "denoising"): "it has no decoder to write the spans down",
    ("source", "causal"): "without a source its encoder would read nothing and learn nothing",
    ("source", "masked"): "its decoder writes what is missing down in order: that is span corruption",
    ("source", "fill_in_the_middle"): "its encoder sees both sides of a gap already: that is span corruption",
}


def resolve_objective(objective: Objective, reads: str, kind: str) -> Objective:
    """The objective a family of this kind learns from. Raises RecipeError when the two make no sense together."""
    if objective.kind == "auto":
        return SUITS[reads][0]()
    if kind == "ngram" and objective.kind != "causal":
        raise RecipeError(
            f'data.objective.kind = "{objective.kind}" makes no sense for model.kind = "ngram"',
            why="an n-gram model counts which token follows which: it has nothing else to learn",
            fix="--data.objective.kind=causal",
        )
    if not isinstance(objective, SUITS[reads]):
        own = " or ".join(f"--data.objective.kind={suits.model_fields['kind'].default}" for suits in SUITS[reads])
        raise RecipeError(
            f'data.objective.kind = "{objective.kind}" makes no sense for model.kind = "{kind}"',
            why=_WHY_NOT[reads, objective.kind],
            fix=own,
        )
    return objective


class DataConfig(Config):
    """How tokens become batches."""

    objective: ObjectiveConfig = field(AutoObjective(), "what is to be predicted from what")
    boundaries: Literal["open", "masked"] = field(
        "open", "may a token attend to the document before its own in the same window (open), or not (masked)"
    )
    shuffle: bool = field(True, "read windows in a new random order each epoch; false: as they stand")
    seed: int = field(0, "of the order of windows", ge=0)
    prefetch_batches: int = field(2, "batches prepared ahead in a thread; 0: made when asked for", ge=0, le=1024)
