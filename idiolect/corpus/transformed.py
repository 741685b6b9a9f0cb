"""The transforms of words over a table of documents, as late as can be: when nothing else will look at the text.

Each document's language decides (its source's own, where the table states one), else the corpus's. What is done is the
corpus's `clean` for all: no source's table has a `clean` of its own. A text of which nothing is left is dropped for its
length.
"""

import numpy as np
import pyarrow as pa

from idiolect.corpus.clean.transforms import left_out, transform
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.tally import Tally
from idiolect.corpus.work import length_reason

UNKNOWN = ("", "und")  # not asked for, and asked for in vain (ISO 639's undetermined)


def transformed(table: pa.Table, reasons: np.ndarray, config: CorpusConfig, tally: Tally) -> pa.Table:
    """The table with the texts of what is kept transformed; `reasons` are brought up to date.

    `tally` counts documents under not_transformed by (transform, language) for which the language has no rules.
    """
    clean = config.clean
    if not clean.transforms:
        return table
    texts, languages = table["text"].to_pylist(), table["language"].to_pylist()
    for at in np.flatnonzero(reasons == ""):
        language = languages[at] if languages[at] not in UNKNOWN else config.language or languages[at]
        texts[at] = transform(texts[at], language, clean)
        for name in left_out(language, clean):
            tally.count("not_transformed", name, language)
        reasons[at] = length_reason(texts[at], config)
    column = table.schema.get_field_index("text")
    return table.set_column(column, table.schema.field(column), pa.array(texts, table.schema.field(column).type))
