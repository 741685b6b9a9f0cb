"""The filters as the worker and the books use them: a pack's rows judged in place, and each rule's effect counted."""

import json
from collections import Counter

import pyarrow as pa

from idiolect.corpus.filters.config import FilterConfig
from idiolect.corpus.filters.judge import Judge
from idiolect.corpus.filters.language import Identifier
from idiolect.corpus.filters.stop_words import STOP_WORDS


class Filters:
    """What is asked of each document once it is clean: its language, then every rule that is on."""

    def __init__(self, config: FilterConfig):
        """Raises DataError when a word list can't be read."""
        self.config = config
        self._identifier = Identifier(config.language)
        self._judge = Judge(config)

    def __call__(self, rows: list) -> None:
        """Give rows their language, C4's edits, the rules they fail (`failed`) and the first of these as `reason`."""
        reasons = self._name_languages(rows)
        if not self._judge.idle:
            texts, removed = self._judge.edit([row.text for row in rows])
            for row, text, lines in zip(rows, texts, removed, strict=True):
                if text != row.text:
                    row.text, row.changed = text, True
                if lines:
                    noted = json.loads(row.tidied or "{}") | {f"c4_{rule}": n for rule, n in lines.items()}
                    row.tidied = json.dumps(noted, sort_keys=True)
            failed = self._judge.failed(texts, [row.language for row in rows])
            reasons = [mine + others for mine, others in zip(reasons, failed, strict=True)]
        for row, rules in zip(rows, reasons, strict=True):
            if rules:
                row.failed, row.reason = " ".join(rules), rules[0]

    def _name_languages(self, rows: list) -> list[list[str]]:
        """The language of rows that come without one; the rules of language that each row fails."""
        scores = [1.0] * len(rows)
        unknown = [i for i, row in enumerate(rows) if not row.language] if self.config.language.identify else []
        for i, (language, score) in zip(
            unknown, self._identifier.identify([rows[i].text for i in unknown]), strict=True
        ):
            rows[i].language, scores[i] = language, score
        reasons = [self._identifier.reason(row.language, score) for row, score in zip(rows, scores, strict=True)]
        return [[reason] if reason else [] for reason in reasons]


class Effects:
    """How many documents fail each rule, and how many fail it alone: what would come back without it."""

    def __init__(self, config: FilterConfig):
        self._asked = Judge(config).rules()
        if config.language.keep:
            self._asked = ["language_other", "language_unsure", *self._asked]
        self._failed: Counter[str] = Counter()
        self._alone: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def add(self, documents: pa.Table) -> None:
        """Count these documents, by their columns `failed` and `language`."""
        for failed in documents["failed"].to_pylist():
            rules = failed.split()
            self._failed.update(rules)
            if len(rules) == 1:
                self._alone[rules[0]] += 1
        self._languages.update(documents["language"].to_pylist())

    def audit(self) -> dict[str, dict]:
        """Each rule that was asked, in its order; the languages whose stop words we do not know are named."""
        asked = list(dict.fromkeys([*self._asked, *sorted(self._failed)]))
        rules = {rule: {"failed": self._failed[rule], "alone": self._alone[rule]} for rule in asked}
        if "gopher_few_stop_words" in rules:
            unknown = sorted(set(self._languages) - STOP_WORDS.keys())
            rules["gopher_few_stop_words"]["not_asked"] = {name or "und": self._languages[name] for name in unknown}
        return rules
