"""The texts, and the tiny settings with which each family learns them; shared with benchmarks/oracle.py.

All documents of a process have L symbols, so with its end a document has P = L + 1 tokens, and `windows` documents make
a window: context_length = windows * P.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A process as a recipe has it, the tokens of a document with its end, and the documents of a window."""

    exact: dict
    tokens: int
    windows: int = 4
    extra: int = 0  # positions of a window for tokens that an objective adds
    documents: int = 12_000

    @property
    def context_length(self) -> int:
        return self.tokens * self.windows + self.extra

    @property
    def corpus(self) -> dict:
        exact = self.exact | {"documents": self.documents}
        return {"text": ["exact"], "exact": exact, "validation_fraction": 0.05, "test_fraction": 0.0, "workers": 1}


def fixed(size: int) -> dict:
    return {"kind": "fixed", "size": size}


TEXTS = {
    "markov": Text({"kind": "markov", "order": 2, "symbols": 4, "length": fixed(15)}, 16),
    "hidden_markov": Text({"kind": "hidden_markov", "states": 3, "symbols": 4, "seed": 1, "length": fixed(15)}, 16),
    "grammar": Text({"kind": "grammar", "brackets": 1, "letters": 2, "length": fixed(11)}, 12),
    "copy": Text({"kind": "copy", "symbols": 4, "noise": 0.1, "length": fixed(5)}, 12),
    "induction": Text({"kind": "induction", "keys": 3, "values": 3, "length": fixed(6)}, 13),
    "markov 1": Text(
        {"kind": "markov", "order": 1, "symbols": 4, "seed": 2, "sharpness": 2.0, "length": fixed(15)}, 16
    ),
    "zipf": Text({"kind": "zipf", "symbols": 20, "length": fixed(15)}, 16, documents=6000),
    # No order of n-grams can count to a fixed length: here the end comes by chance, after any symbol alike.
    "markov, any length": Text(
        {"kind": "markov", "order": 2, "symbols": 4, "length": {"kind": "geometric", "end": 0.1, "most": 200}}, 16
    ),
    # A window of three documents: its second half begins amid the second. One token more, so that windows of training
    # begin at every place of a document: an epoch's lie a window apart, and with a whole number of documents in each
    # they would all begin at the same place. (For left readers that cut at documents it makes no difference.)
    "markov, three": Text({"kind": "markov", "order": 2, "symbols": 4, "length": fixed(15)}, 16, windows=3, extra=1),
    "markov 1, three": Text(
        {"kind": "markov", "order": 1, "symbols": 4, "seed": 2, "sharpness": 2.0, "length": fixed(7)}, 8, 3, extra=1
    ),
    # A window of three documents, its first token, and three marks for the one that is rearranged.
    "markov, to fill": Text({"kind": "markov", "order": 2, "symbols": 4, "length": fixed(15)}, 16, windows=3, extra=5),
}


@dataclass(frozen=True)
class Tiny:
    """A family's settings, and for each (objective, text) the nats a token that it may stay above the exact value."""

    model: dict
    tolerance: dict[tuple[str, str], float]
    steps: int = 400
    learning_rate: float = 4e-3
    batch_tokens: int = 2048
    boundaries: str = "masked"
    quick: tuple = ()
    other: dict = field(default_factory=dict)  # (objective, text) -> steps, rate and settings of the model that differ


# What the rows tolerate that ask for a mechanism, fixed before they were judged and from the process alone: a tenth of
# what it is worth to find the word or the value again (0.396 and 0.275 nats a token); of a span's two sides, half of
# what the right one adds to the left (0.052), since 1,000 targets tell no less from nothing.
FINDS_WORD, FINDS_VALUE, SEES_BOTH_SIDES = 0.039, 0.027, 0.026
# A table of the last two tokens puts a key beside its value. Without it the first layer must learn to look one token
# back, and the second waits: 0.022 above after 400 steps, 0.038 after 600 (another schedule); with it 0.003 after 400.
BESIDE = {"ngram_orders": [2], "matrix_init": "fan_in"}

ATTENTION = {"n_layers": 2, "d_model": 48, "n_heads": 2}
FAMILIES_TINY = {
    "gpt": Tiny(
        ATTENTION | {"tied_head": False, "zero_init_head": True},
        {
            ("causal", "markov"): 0.015, ("causal", "hidden_markov"): 0.015, ("causal", "grammar"): 0.03,
            ("causal", "copy"): FINDS_WORD, ("causal", "induction"): FINDS_VALUE, ("causal", "zipf"): 0.02,
            ("prefix_lm", "markov, three"): 0.02, ("fill_in_the_middle", "markov, to fill"): 0.06,
        },
        quick=(("causal", "markov"),),
        # At three times the rate it never learns to look back: 0.38 above, after 1,000 steps. Of a prefix's window half
        # the tokens are priced: after 400 steps it is 0.029 above.
        other={
            ("causal", "copy"): {"steps": 600, "learning_rate": 2e-3},
            ("causal", "induction"): {"learning_rate": 2e-3, "model": BESIDE},
            ("prefix_lm", "markov, three"): {"steps": 800},
        },
    ),
    "lstm": Tiny(
        {"n_layers": 1, "d_model": 64, "tied_head": False},
        {("causal", "markov"): 0.02, ("causal", "hidden_markov"): 0.015, ("causal", "copy"): FINDS_WORD,
         ("prefix_lm", "markov, three"): 0.02, ("fill_in_the_middle", "markov, to fill"): 0.06},
        learning_rate=1e-2,
        quick=(("causal", "copy"),),
    ),
    "gru": Tiny(
        {"n_layers": 1, "d_model": 64, "tied_head": False},
        {("causal", "markov"): 0.015, ("causal", "hidden_markov"): 0.015, ("causal", "copy"): FINDS_WORD,
         ("prefix_lm", "markov, three"): 0.02, ("fill_in_the_middle", "markov, to fill"): 0.06},
        learning_rate=1e-2,
        other={("causal", "copy"): {"steps": 1000}},
    ),
    "rnn": Tiny(
        # Counting to the end of a document takes it long: after 400 steps it is 0.046 above.
        {"n_layers": 1, "d_model": 64, "tied_head": False},
        {("causal", "markov"): 0.02, ("causal", "hidden_markov"): 0.02, ("prefix_lm", "markov, three"): 0.03,
         ("fill_in_the_middle", "markov, to fill"): 0.12},
        steps=1200,
        learning_rate=3e-3,
    ),
    "mamba2": Tiny(
        {"n_layers": 2, "d_model": 48, "d_state": 16, "d_head": 16, "tied_head": False, "chunk": 32},
        {("causal", "markov"): 0.02, ("causal", "hidden_markov"): 0.02, ("causal", "copy"): FINDS_WORD,
         ("causal", "induction"): FINDS_VALUE, ("prefix_lm", "markov, three"): 0.03,
         ("fill_in_the_middle", "markov, to fill"): 0.06},
    ),
    "cnn": Tiny(
        # 19 positions in sight: a document and its end, so the end can be foreseen.
        {"n_layers": 3, "d_model": 48, "kernel_width": 4, "dilations": [1, 2, 3], "tied_head": False},
        {("causal", "markov"): 0.02, ("causal", "hidden_markov"): 0.02, ("prefix_lm", "markov, three"): 0.03,
         ("fill_in_the_middle", "markov, to fill"): 0.06},
    ),
    "ngram": Tiny(
        {"order": 3, "context_length": 1024},
        {("causal", "markov, any length"): 0.02},
        quick=(("causal", "markov, any length"),),
        # Cut off from what stands before, an n-gram falls back on counts of contexts, which aren't probabilities.
        boundaries="open",
    ),
    "bert": Tiny(
        ATTENTION | {"tied_head": False},
        {("masked", "markov 1"): 0.03, ("masked", "copy"): 0.05},
        steps=600,
        learning_rate=2e-3,
    ),
    "t5": Tiny(
        # With two heads a T5 stood 0.32 above after 400 steps, and one of transformers' 0.37; with four 0.03.
        ATTENTION | {"n_heads": 4},
        {("span_corruption", "markov 1, three"): SEES_BOTH_SIDES, ("prefix_lm", "markov 1, three"): 0.05},
        steps=800,
        # Spans then have all the same length; and to look across costs nothing, since documents are independent.
        boundaries="open",
    ),
    "seq2seq": Tiny(
        {"d_model": 64, "tied_head": False},
        {("span_corruption", "markov 1, three"): SEES_BOTH_SIDES, ("prefix_lm", "markov 1, three"): 0.05},
        steps=800,
        learning_rate=1e-2,
        boundaries="open",
    ),
}  # fmt: skip

# What makes an objective exactly priceable: masks that show nothing false, spans whose lengths are known beforehand.
OBJECTIVES = {
    "causal": {"kind": "causal"},
    "prefix_lm": {"kind": "prefix_lm"},
    "fill_in_the_middle": {"kind": "fill_in_the_middle", "share": 1.0},
    "masked": {"kind": "masked", "share": 0.25, "mask_share": 1.0, "random_share": 0.0},
    "span_corruption": {"kind": "span_corruption", "lengths": "fixed", "share": 0.1875, "mean_span": 3.0},
}


def settings_of(kind: str) -> Tiny:
    """A family's tiny settings. Fails with what to do for a family that has none."""
    assert kind in FAMILIES_TINY, (
        f'the family "{kind}" is not proven against exact entropies: add a row for it to FAMILIES_TINY in '
        "tests/oracle/settings.py (a tiny model, and the processes it can learn with a tolerance each)"
    )
    return FAMILIES_TINY[kind]


def recipe_values(kind: str, objective: str, text: str, **train) -> dict:
    """The recipe of one proof, as a nested dict."""
    tiny, source = settings_of(kind), TEXTS[text]
    own = {"steps": tiny.steps, "learning_rate": tiny.learning_rate, "model": {}}
    own |= tiny.other.get((objective, text), {})
    return {
        "corpus": source.corpus,
        "tokenizer": {"kind": "character", "chat_tokens": False},
        "data": {"objective": OBJECTIVES[objective], "boundaries": tiny.boundaries},
        "model": {"kind": kind, "context_length": source.context_length} | tiny.model | own["model"],
        "optim": {
            "optimiser": {"kind": "adamw", "learning_rate": own["learning_rate"], "beta2": 0.99, "weight_decay": 0.0},
            "clip_norm": 1.0,
        },
        "train": {
            "steps": own["steps"], "batch_tokens": tiny.batch_tokens,
            "eval_every_steps": 0,
        } | train,
        "device": {"threads": 1},
    }  # fmt: skip
