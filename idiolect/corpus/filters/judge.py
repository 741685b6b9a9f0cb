"""All rule sets held to many texts at once: what does each rule measure, and which rules does each text fail?

Every rule is asked of every text, whatever it failed before, so that the audit can tell what each rule drops alone,
what only it drops, and what all drop together. The words are split once for all rules.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from idiolect.corpus.filters import c4, fineweb, gopher
from idiolect.corpus.filters.config import FilterConfig
from idiolect.corpus.filters.reasons import MEASURES
from idiolect.corpus.filters.tokens import Tokens
from idiolect.corpus.filters.words import Listed

PLACES = {rule: place for place, rule in enumerate(MEASURES)}


class Judge:
    """The rules that a config switches on: `edit` first, then `measured`. Cheap to make, and it can be pickled."""

    def __init__(self, config: FilterConfig):
        """Raises DataError when a word list can't be read."""
        self.config = config
        self._listed = Listed(config.words) if config.words.files else None

    @property
    def idle(self) -> bool:
        """Whether no rule is on, so that there is nothing to ask."""
        config = self.config
        return not (config.gopher.use or config.c4.use or config.fineweb.use or self._listed)

    def edit(self, texts: list[str]) -> tuple[list[str], list[Counter[str]]]:
        """The texts without the lines that C4 removes, and how many lines of each went by which rule."""
        if not self.config.c4.use:
            return texts, [Counter() for _ in texts]
        edited = [c4.edit(text, self.config.c4) for text in texts]
        return [text for text, _ in edited], [removed for _, removed in edited]

    def measured(self, texts: list[str], languages: list[str]) -> tuple[list[list[str]], np.ndarray]:
        """For each text the names of all rules it fails, in the order of `reasons.REASONS`; and float32[texts,
        MEASURES], what each rule measures in it, NaN where a rule was not asked."""
        failed: list[list[str]] = [[] for _ in texts]
        measures = np.full((len(texts), len(MEASURES)), np.nan, np.float32)
        for rule, values in self._measures(texts, languages) if texts else ():
            measures[:, PLACES[rule]] = values
            # Compared before they are rounded: a verdict is exact.
            for i in MEASURES[rule].fails(values, MEASURES[rule].limit_in(self.config)).nonzero()[0]:
                failed[i].append(rule)
        return failed, measures

    def failed(self, texts: list[str], languages: list[str]) -> list[list[str]]:
        """The names alone."""
        return self.measured(texts, languages)[0]

    def rules(self) -> list[str]:
        """The names of the rules that are on."""
        return [rule for rule, _ in self._measures([""], [""])]

    def _measures(self, texts: list[str], languages: list[str]) -> Iterator[tuple[str, np.ndarray]]:
        config = self.config
        tokens = Tokens(texts) if config.gopher.use or config.fineweb.use else None
        if config.gopher.use:
            yield from gopher.measures(texts, languages, tokens, config.gopher)
        if config.c4.use:
            yield from c4.measures(texts, config.c4)
        if config.fineweb.use:
            yield from fineweb.measures(texts, tokens, config.fineweb)
        if self._listed:
            yield from self._listed.measures(texts, languages)
