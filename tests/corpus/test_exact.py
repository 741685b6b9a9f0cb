"""Exact processes: every probability against brute force over all texts, entropy against both it and samples."""

import hashlib
import itertools
import math

import numpy as np
import pytest

from idiolect.corpus.exact.config import (
    CopyConfig,
    FixedLength,
    GeometricLength,
    GrammarConfig,
    HiddenMarkovConfig,
    InductionConfig,
    MarkovConfig,
    OwnLength,
    UniformLength,
    ZipfConfig,
)  # fmt: skip
from idiolect.corpus.exact.process import LAWS, build
from idiolect.errors import RecipeError

# Small enough that every text can be written down.
UP_TO_4 = UniformLength(least=2, most=4)
SMALL = {
    "markov 0": MarkovConfig(order=0, symbols=3, length=GeometricLength(end=0.3, most=4)),
    "markov 1": MarkovConfig(order=1, symbols=3, length=UP_TO_4),
    "markov 2": MarkovConfig(order=2, symbols=2, length=FixedLength(size=6)),
    "markov 3": MarkovConfig(order=3, symbols=2, length=UniformLength(least=1, most=5)),
    "hidden_markov": HiddenMarkovConfig(states=3, symbols=2, length=UniformLength(least=1, most=5)),
    "hidden_markov 1": HiddenMarkovConfig(states=1, symbols=3, length=UP_TO_4),
    "grammar": GrammarConfig(brackets=1, letters=1, length=UniformLength(least=1, most=6)),
    "grammar 2": GrammarConfig(brackets=2, letters=1, length=FixedLength(size=5)),
    "grammar own": GrammarConfig(brackets=2, letters=1, length=OwnLength(most=5)),
    "copy": CopyConfig(symbols=3, noise=0.2, length=UniformLength(least=1, most=2)),
    "copy exactly": CopyConfig(symbols=3, length=FixedLength(size=2)),
    "induction": InductionConfig(keys=2, values=2, length=UniformLength(least=1, most=3)),
    "zipf": ZipfConfig(symbols=3, length=GeometricLength(end=0.4, most=4)),
}
LARGE = {
    "markov": MarkovConfig(),
    "hidden_markov": HiddenMarkovConfig(length=FixedLength(size=15)),
    "grammar": GrammarConfig(length=UniformLength(least=4, most=12)),
    "grammar own": GrammarConfig(length=OwnLength(most=16)),
    "copy": CopyConfig(noise=0.1, length=GeometricLength(end=0.1, most=32)),
    "induction": InductionConfig(length=UniformLength(least=2, most=12)),
    "zipf": ZipfConfig(length=GeometricLength(end=0.2, most=16)),
}


def all_texts(process, config):
    """Every text a small process may write, with its probability."""
    sizes = np.flatnonzero(process.sizes.share)
    lengths = {process.law.n_symbols(int(size)) for size in sizes}
    texts = ["".join(t) for n in lengths for t in itertools.product(process.law.alphabet, repeat=n)]
    texts = [text for text in texts if possible(text, config)]
    p = np.exp([-nats.sum() for nats in process.nats_of(texts)])
    return [text for text, q in zip(texts, p, strict=True) if q > 0], p[p > 0]


def possible(text, config):
    """Whether a text has the form at all; what the law asks of its caller."""
    if config.kind == "copy":
        return text.count("|") == 1 and text[len(text) // 2] == "|"
    if config.kind == "induction":
        return text[::2].islower() and text[1::2].isupper()
    return True


@pytest.fixture(params=list(SMALL))
def small(request):
    config = SMALL[request.param]
    process = build(config)
    return process, *all_texts(process, config)


def test_every_process_is_tested():
    assert {c.kind for c in SMALL.values()} == {c.kind for c in LARGE.values()} == set(LAWS)


def test_probabilities_of_all_texts_sum_to_one(small):
    assert small[2].sum() == pytest.approx(1, abs=1e-12)


def test_entropy_is_the_mean_over_all_texts(small):
    process, texts, p = small
    entropy = process.entropy()
    assert entropy.low <= entropy.high + 1e-12
    assert (entropy.low + entropy.high) / 2 == pytest.approx(-(p * np.log(p)).sum(), abs=1e-10)
    assert entropy.tokens == pytest.approx(sum(q * (len(text) + 1) for text, q in zip(texts, p, strict=True)))


def test_each_symbols_price_is_that_of_enumeration(small):
    process, texts, p = small
    for text in texts[:: max(1, len(texts) // 25)]:
        prefixes = [text[:k] for k in range(len(text) + 1)]
        begun = [sum(q for other, q in zip(texts, p, strict=True) if other.startswith(prefix)) for prefix in prefixes]
        expected = -np.diff(np.log([*begun, p[texts.index(text)]]))
        np.testing.assert_allclose(process.nats(text), expected, atol=1e-10)


def agreeing(texts, p, text, visible):
    """Probability of the texts of this length that show the visible symbols."""
    places = np.flatnonzero(visible)
    return sum(
        q for other, q in zip(texts, p, strict=True)
        if len(other) == len(text) and all(other[i] == text[i] for i in places)
    )  # fmt: skip


def test_hidden_symbols_prices_are_those_of_enumeration(small):
    process, texts, p = small
    rng = np.random.default_rng(0)
    for text in texts[:: max(1, len(texts) // 12)]:
        kind = rng.integers(0, 3, len(text))  # 0 visible, 1 hidden, 2 out of sight
        for hidden, visible in ((kind > 0, None), (kind == 1, kind == 0), (kind < 0, None), (kind >= 0, None)):
            seen = ~hidden if visible is None else visible
            before = agreeing(texts, p, text, seen)
            joint = math.log(before) - math.log(agreeing(texts, p, text, seen | hidden))
            assert process.joint_nats(text, hidden, visible) == pytest.approx(joint, abs=1e-10)
            alone = [
                math.log(before) - math.log(agreeing(texts, p, text, seen | (np.arange(len(text)) == i)))
                for i in np.flatnonzero(hidden)
            ]
            np.testing.assert_allclose(process.masked_nats(text, hidden, visible), alone, atol=1e-10)


@pytest.mark.parametrize("name", LARGE)
def test_entropy_agrees_with_samples(name):
    process = build(LARGE[name])
    totals = np.array([nats.sum() for nats in process.nats_of(process.sample(1000, 7))])
    entropy, error = process.entropy(), totals.std(ddof=1) / math.sqrt(len(totals))
    assert entropy.low - 4 * error <= totals.mean() <= entropy.high + 4 * error
    # The bounds must be of use, and the test able to fail.
    assert entropy.high - entropy.low < 0.01 * entropy.high and 4 * error < 0.1 * entropy.high


@pytest.mark.parametrize("name", ["markov 2", "hidden_markov", "grammar", "copy", "induction"])
def test_samples_have_the_frequencies_of_their_probabilities(name):
    """Pearson's statistic over all texts; its mean is the degrees of freedom, its deviation sqrt(2 of them)."""
    process = build(SMALL[name])
    texts, p = all_texts(process, SMALL[name])
    n = 20_000
    drawn = process.sample(n, 3)
    counts = {text: 0 for text in texts}
    for text in drawn:
        counts[text] += 1
    common = p * n >= 5
    observed = np.array([counts[text] for text in texts])[common]
    statistic = ((observed - n * p[common]) ** 2 / (n * p[common])).sum()
    freedom = common.sum()
    assert statistic < freedom + 5 * math.sqrt(2 * freedom), (statistic, freedom)


def test_another_process_prices_the_samples_higher():
    """Negative control: with the wrong tables the mean is far above the entropy, never below."""
    right, wrong = build(MarkovConfig(seed=0)), build(MarkovConfig(seed=1))
    texts = right.sample(500, 1)
    totals = np.array([nats.sum() for nats in wrong.nats_of(texts)])
    assert totals.mean() - 10 * totals.std() / math.sqrt(500) > right.entropy().high


def test_hidden_markov_bounds_close_with_depth(monkeypatch):
    from idiolect.corpus.exact import hidden_markov

    config = HiddenMarkovConfig(states=2, symbols=2, seed=1, length=FixedLength(size=12))
    exact = build(config).entropy()
    assert exact.low == pytest.approx(exact.high)
    widths = []
    for tree in (2**6, 2**8, 2**10, 2**12):
        monkeypatch.setattr(hidden_markov, "TREE", tree)
        bounds = build(config).entropy()
        assert bounds.low - 1e-12 <= exact.low <= bounds.high + 1e-12
        widths.append(bounds.high - bounds.low)
    assert widths == sorted(widths, reverse=True) and widths[-1] < widths[0] / 10


def test_documents_do_not_depend_on_how_many_are_asked_for():
    process = build(HiddenMarkovConfig(length=UP_TO_4))
    assert process.sample(5000, 1)[:10] == process.sample(10, 1) != process.sample(10, 2)


# Written down once: another version of numpy, or another machine, must write the same text.
GOLDEN = {
    "markov": ("dbdaddbbbcabddaaabdbdcccabcaddb", "b2c290660c469bd0"),
    "hidden_markov": ("aabacccacabaaababaacaccbaacaaba", "70dbb756e9de6e0b"),
    "grammar": ("[bb]accab[b]cbb", "64ea865becf59667"),
    "copy": ("hdgcggc|hdgcggc", "3af0b4bb0080b7d5"),
    "induction": ("dBdBbBaDaDbBbBcD", "28ec84194a811ce9"),
    "zipf": ("JcrcusbaacbeczaaazGgssnfbeagoig", "2b814fbe70cafeb8"),
}


@pytest.mark.parametrize("name", LAWS)
def test_golden_sample(name):
    config = next(config for config in LARGE.values() if config.kind == name)
    texts = build(type(config)()).sample(1000, 1)
    assert (texts[0], hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]) == GOLDEN[name]


@pytest.mark.parametrize("wrong", [
    lambda: MarkovConfig(order=8, symbols=8), lambda: UniformLength(least=5, most=4),
    lambda: GrammarConfig(length=FixedLength(size=60)),
])  # fmt: skip
def test_what_cannot_be_worked_out_is_refused(wrong):
    with pytest.raises(RecipeError):
        wrong()


def test_strange_letters_and_masks_are_refused():
    process = build(MarkovConfig())
    with pytest.raises(ValueError, match="not among"):
        process.nats("abz")
    with pytest.raises(ValueError, match="masks"):
        process.masked_nats("abc", np.ones(2, bool))
