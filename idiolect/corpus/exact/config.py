"""What a recipe may ask of generated text: which process writes it, how long its documents are, how many there are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from idiolect.config import Config, field
from idiolect.errors import RecipeError


class FixedLength(Config):
    """All documents of one length."""

    kind: Literal["fixed"] = "fixed"
    size: int = field(31, "symbols of a document (of the word, for copy; pairs, for induction)", ge=1, le=1024)


class UniformLength(Config):
    """Any length between two, all alike."""

    kind: Literal["uniform"] = "uniform"
    least: int = field(16, "the shortest document", ge=1, le=1024)
    most: int = field(32, "the longest document", ge=1, le=1024)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.least > self.most:
            raise RecipeError(
                f"corpus.exact.length.least = {self.least} is above most = {self.most}",
                why="a document's length is drawn from the shortest to the longest",
                fix=f"--corpus.exact.length.least={self.most}, or --corpus.exact.length.most={self.least}",
            )
        return self


class GeometricLength(Config):
    """A document may end after each symbol with the same probability, and must at its longest."""

    kind: Literal["geometric"] = "geometric"
    end: float = field(0.05, "probability of the end after each symbol", gt=0, lt=1)
    most: int = field(256, "the longest document; what would be longer ends here", ge=1, le=1024)


class OwnLength(Config):
    """The grammar's own lengths, among those up to a longest one."""

    kind: Literal["own"] = "own"
    most: int = field(24, "the longest document; longer derivations are left out", ge=1, le=48)


Length = Annotated[FixedLength | UniformLength | GeometricLength, Field(discriminator="kind")]
GrammarLength = Annotated[FixedLength | UniformLength | GeometricLength | OwnLength, Field(discriminator="kind")]


class Exact(Config):
    """What all processes share."""

    documents: int = field(4000, "documents to write", ge=1, le=10_000_000)
    seed: int = field(0, "decides the process's own probabilities and every document", ge=0, lt=2**32)


class MarkovConfig(Exact):
    """Each symbol depends on the `order` symbols before it."""

    kind: Literal["markov"] = "markov"
    order: int = field(2, "symbols that decide the next; 0: none does", ge=0, le=8)
    symbols: int = field(4, "different symbols", ge=2, le=62)
    sharpness: float = field(1.5, "0: all symbols alike; 1.5: some likely, some rare; 10: nearly certain", ge=0, le=50)
    length: Length = field(FixedLength(), "how long documents are")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.symbols**self.order > 4096:
            order = next(order for order in reversed(range(self.order)) if self.symbols**order <= 4096)
            raise RecipeError(
                f"corpus.exact.symbols = {self.symbols} and order = {self.order} make {self.symbols**self.order:,} "
                "contexts",
                why="the entropy sums over symbols to the power of order, and up to 4,096 are worked out",
                fix=f"--corpus.exact.order={order}, or --corpus.exact.symbols={max(2, int(4096 ** (1 / self.order)))}",
            )
        return self


class HiddenMarkovConfig(Exact):
    """A hidden state moves by chance and shows a symbol each time: no number of past symbols tells all."""

    kind: Literal["hidden_markov"] = "hidden_markov"
    states: int = field(3, "hidden states", ge=1, le=64)
    symbols: int = field(4, "different symbols", ge=2, le=62)
    sharpness: float = field(2.0, "0: all choices alike; 2: some likely, some rare; 10: nearly certain", ge=0, le=50)
    length: Length = field(FixedLength(), "how long documents are")


class GrammarConfig(Exact):
    """Letters within nested brackets, from a context-free grammar; the innermost open bracket decides what is likely.

    `size` in its lengths counts symbols, brackets included.
    """

    kind: Literal["grammar"] = "grammar"
    brackets: int = field(2, "kinds of brackets", ge=1, le=4)
    letters: int = field(3, "different letters", ge=1, le=26)
    sharpness: float = field(1.0, "0: all rules alike; 1: some likely, some rare; 10: nearly certain", ge=0, le=20)
    length: GrammarLength = field(FixedLength(size=15), "how long documents are")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        longest = self.length.size if self.length.kind == "fixed" else self.length.most
        if longest > 48:
            key = "size" if self.length.kind == "fixed" else "most"
            raise RecipeError(
                f"corpus.exact.length.{key} = {longest} is too long for a grammar",
                why="its table of inside probabilities grows with the cube of the length; up to 48 symbols can be",
                fix=f"--corpus.exact.length.{key}=48",
            )
        return self


class CopyConfig(Exact):
    """A random word, a bar, the word again: what is written twice costs once."""

    kind: Literal["copy"] = "copy"
    symbols: int = field(8, "different symbols of the word", ge=2, le=62)
    noise: float = field(0.0, "share of copied symbols replaced by another", ge=0, lt=1)
    length: Length = field(FixedLength(size=7), "how long words are")


class InductionConfig(Exact):
    """Pairs of a key and its value; each document draws its own values, and a key that comes again keeps its own."""

    kind: Literal["induction"] = "induction"
    keys: int = field(4, "different keys (small letters)", ge=1, le=26)
    values: int = field(4, "different values (capitals)", ge=2, le=26)
    length: Length = field(FixedLength(size=8), "how many pairs a document has")


class ZipfConfig(Exact):
    """Symbols without memory, the r-th of them with probability proportional to 1 / r^exponent (Zipf 1949)."""

    kind: Literal["zipf"] = "zipf"
    symbols: int = field(40, "different symbols", ge=2, le=62)
    exponent: float = field(1.0, "0: all alike; 1: as words of a language", ge=0, le=10)
    length: Length = field(FixedLength(), "how long documents are")


ExactConfig = Annotated[
    MarkovConfig | HiddenMarkovConfig | GrammarConfig | CopyConfig | InductionConfig | ZipfConfig,
    Field(discriminator="kind"),
]
