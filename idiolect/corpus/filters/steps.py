"""The filters as the worker and the books use them: a pack's rows judged in place, and each rule's effect counted."""

import json
import math

import numpy as np

from idiolect.corpus.filters.config import FilterConfig
from idiolect.corpus.filters.judge import PLACES, Judge
from idiolect.corpus.filters.language import CODE, Identifier
from idiolect.corpus.filters.reasons import MEASURES


class Filters:
    """What is asked of each document once it is clean: its language, then every rule that is on."""

    def __init__(self, config: FilterConfig):
        """Raises DataError when a word list can't be read."""
        self.config = config
        self._identifier = Identifier(config.language)
        self._judge = Judge(config)

    def __call__(self, rows: list) -> None:
        """Give rows their language, C4's edits, the rules they fail (`failed`), the first of these as `reason`, and
        what the rules measured (`measures`)."""
        # Every rule here was made for what people write to each other.
        rows = [row for row in rows if not row.language.startswith(CODE)]
        scores = self._name_languages(rows)
        reasons = [self._language_reasons(row.language, score) for row, score in zip(rows, scores, strict=True)]
        measures = None
        if not self._judge.idle:
            texts, removed = self._judge.edit([row.text for row in rows])
            for row, text, lines in zip(rows, texts, removed, strict=True):
                if text != row.text:
                    row.text, row.changed = text, True
                if lines:
                    noted = json.loads(row.tidied or "{}") | {f"c4_{rule}": n for rule, n in lines.items()}
                    row.tidied = json.dumps(noted, sort_keys=True)
            failed, measures = self._judge.measured(texts, [row.language for row in rows])
            reasons = [mine + others for mine, others in zip(reasons, failed, strict=True)]
        elif self.config.language.keep:
            measures = np.full((len(rows), len(MEASURES)), np.nan, np.float32)
        if self.config.language.keep:
            measures[:, PLACES["language_unsure"]] = scores
        for row, rules in zip(rows, reasons, strict=True):
            if rules:
                row.failed, row.reason = " ".join(rules), rules[0]
        for row, measure in zip(rows, () if measures is None else measures, strict=measures is not None):
            row.measures = measure.tobytes()

    def _name_languages(self, rows: list) -> list[float]:
        """The language of rows that come without one; how sure each is, NaN where nobody had to ask."""
        scores = [math.nan] * len(rows)
        unknown = [i for i, row in enumerate(rows) if not row.language] if self.config.language.identify else []
        for i, (language, score) in zip(
            unknown, self._identifier.identify([rows[i].text for i in unknown]), strict=True
        ):
            rows[i].language, scores[i] = language, score
        return scores

    def _language_reasons(self, language: str, score: float) -> list[str]:
        reason = self._identifier.reason(language, score)
        return [reason] if reason else []
