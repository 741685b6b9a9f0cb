"""How many documents fail each rule, and how many fail it alone: what would come back without it."""

import pyarrow as pa

from idiolect.corpus.filters.config import FilterConfig
from idiolect.corpus.filters.judge import Judge
from idiolect.corpus.filters.language import UNDETERMINED
from idiolect.corpus.filters.steps import CODE
from idiolect.corpus.filters.stop_words import STOP_WORDS
from idiolect.corpus.tally import Tally


class Effects:
    """The rules of one recipe, and what they did, entered into a tally."""

    def __init__(self, config: FilterConfig):
        self._identify = config.language.identify
        self._asked = Judge(config).rules()
        if config.language.keep:
            self._asked = ["language_other", "language_unsure", *self._asked]

    def add(self, documents: pa.Table, tally: Tally) -> None:
        """Count these documents, by their columns `failed` and `language`."""
        for failed, n in _counts(documents["failed"]):
            rules = failed.split()
            for rule in rules:
                tally.count("rule", rule, "failed", n=n)
            if len(rules) == 1:
                tally.count("rule", rules[0], "alone", n=n)
        for name, n in _counts(documents["language"]):
            # What fell before it was asked has no language yet, unless nobody was to name one.
            if name or not self._identify:
                tally.count("asked_language", name or UNDETERMINED, n=n)

    def audit(self, tally: Tally) -> dict[str, dict]:
        """Each rule that was asked, in its order, with the languages it was `not_asked` of, and their documents.

        None is asked of source code, and stop words only where we know the language's.
        """
        found, languages = tally.under("rule"), sorted(tally.under("asked_language").items())
        rules: dict[str, dict] = {}
        for rule in dict.fromkeys([*self._asked, *sorted(name for name, _ in found)]):
            left_out = {
                name: n
                for name, n in languages
                if name.startswith(CODE) or (rule == "gopher_few_stop_words" and name not in STOP_WORDS)
            }
            rules[rule] = {what: found[rule, what] for what in ("failed", "alone")}
            rules[rule] |= {"not_asked": left_out} if left_out else {}
        return rules


def _counts(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    return [(row["values"], row["counts"]) for row in column.value_counts().to_pylist()]
