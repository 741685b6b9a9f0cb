"""The report on evaluation sets found in a corpus: how much of each, where, and examples side by side."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

EXAMPLES = 5
AROUND = 300


def report(folder: Path, found: Iterable[tuple[str, str, np.ndarray]]) -> dict[str, dict]:
    """For each evaluation file: items, contaminated items, documents that hold some, examples.

    `found` gives (document id, the shared passage as the document has it, numbers of the items).
    """
    items = pq.read_table(folder / "items.parquet", read_dictionary=["file"])
    files = np.asarray(items.column("file").combine_chunks().indices)
    names = items.column("file").combine_chunks().dictionary.to_pylist()
    books = json.loads((folder / "books.json").read_text())
    contaminated = np.zeros(len(files), bool)
    documents = np.zeros(len(names), int)
    examples: dict[str, list[dict]] = {name: [] for name in names}
    for document, passage, numbers in found:
        contaminated[numbers] = True
        of, first = np.unique(files[numbers], return_index=True)
        documents[of] += 1
        for file, at in zip(of, first, strict=True):
            shown = examples[names[file]]
            if len(shown) < EXAMPLES:
                item = items.column("text")[int(numbers[at])].as_py()
                shown.append({"document": document, "passage": passage[:AROUND], "item": item[:AROUND]})
    counts = np.bincount(files[contaminated], minlength=len(names))
    found_in = {n: (int(counts[i]), int(documents[i])) for i, n in enumerate(names)}
    return {
        name: {
            **book,
            "contaminated": found_in.get(name, (0, 0))[0],
            "documents": found_in.get(name, (0, 0))[1],
            "examples": examples.get(name, []),
        }
        for name, book in books.items()
    }
