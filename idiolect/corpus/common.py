"""A prepared corpus whose held-out splits are cut down to some documents, so that corpora can be scored alike."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from idiolect.corpus.writer import SplitWriter
from idiolect.rundir import read_json, write_json


def restrict(folder: Path, out: Path, held_out: dict[str, set[str]]) -> None:
    """Write the corpus anew into `out`; of the splits in `held_out`, only the documents of these ids."""
    audit = read_json(folder / "audit.json")
    shutil.copyfile(folder / "train.parquet", out / "train.parquet")
    for split, ids in held_out.items():
        wanted = pa.array(sorted(ids), pa.string())
        n = n_bytes = n_characters = 0
        with pq.ParquetFile(folder / f"{split}.parquet") as file:
            with SplitWriter(out / f"{split}.parquet", file.schema_arrow) as writer:
                for batch in file.iter_batches(batch_size=1024):
                    some = pa.Table.from_batches([batch]).filter(pc.is_in(batch["id"], value_set=wanted))
                    writer.add(some)
                    n += some.num_rows
                    n_bytes += pc.sum(pc.binary_length(some["text"])).as_py() or 0
                    n_characters += pc.sum(pc.utf8_length(some["text"])).as_py() or 0
        audit["kept"][split] = {"documents": n, "bytes": n_bytes, "characters": n_characters}
    write_json(out / "audit.json", audit)
