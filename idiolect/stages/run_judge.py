"""A trained run as a judge of texts: an n-gram model by its counts, any other that reads from the left by its logits.

A text that is longer than a window is read on from where the state stands, by a model that learned to; by any other in
windows that overlap by half, so that no token is priced after less than half a window where the text has more.
"""

import functools
from pathlib import Path

import numpy as np

from idiolect import rundir
from idiolect.errors import RecipeError
from idiolect.progress import Progress


@functools.lru_cache(maxsize=1)
def run_judge(folder: str) -> "RunJudge":
    """The judge that a run's folder holds, opened once in each process. Raises CheckpointError, RecipeError."""
    return RunJudge(Path(folder))


class RunJudge:
    """The best checkpoint of a run, and its tokenizer."""

    def __init__(self, folder: Path):
        from idiolect.stages.job import open_job, record_of
        from idiolect.stages.weights import load_model, pick_checkpoint, weights_hash
        from idiolect.tokenizer.encode import Tokenizer

        job = open_job(str(folder), (), name=None, runs=folder.parent, progress=Progress.silent(), trained=True)
        recipe = job.recipe
        self.tokenizer = Tokenizer.load(job.runs / rundir.PREPARED / record_of(job)["stages"]["tokenizer"])
        checkpoint = pick_checkpoint(job, "best")
        n_ids = self.tokenizer.vocabulary_size + recipe.objective.n_extra_ids(recipe.model.context_length)
        self.model = load_model(job, n_ids, checkpoint)
        self.weights = weights_hash(checkpoint) + self.tokenizer.hash
        self.length, self.carries = recipe.model.context_length, recipe.carries_state
        if self.model.reads != "left":
            raise RecipeError(
                f"the run {folder.name} can't price a text",
                why=f"its model ({recipe.model.kind}) does not read from the left alone",
                fix="--corpus.perplexity.run of an n-gram or GPT run, or --corpus.perplexity.good=PATH",
            )  # fmt: skip

    def nats_a_byte(self, texts: list[str]) -> np.ndarray:
        """The price of each text by itself, NaN for one without any."""
        from idiolect.models.ngram import NGram

        nats = self.model.kneser_ney.nats if isinstance(self.model, NGram) else self._nats
        found = []
        for text, ids in zip(texts, self.tokenizer.encode_batch(texts), strict=True):
            # The end of the document before it is what a text is read after; only that costs nothing.
            priced = nats(np.append(self.tokenizer.end_id, ids))[1:]
            n_bytes = len(text.encode("utf-8", "replace"))
            found.append(priced.sum() / n_bytes if n_bytes else np.nan)
        return np.array(found)

    def _nats(self, ids: np.ndarray) -> np.ndarray:
        """-ln p of every id after those before it; the very first is free."""
        import torch
        import torch.nn.functional as F

        out, cache, last = np.zeros(len(ids)), None, len(ids) - 1
        where = next(self.model.parameters()).device
        step = self.length if self.carries else max(1, self.length // 2)
        with torch.inference_mode():
            if self.carries:
                cache = self.model.new_cache(1)
            for start in range(0, max(min(last, 1), last - (self.length - step)), step):
                window = torch.from_numpy(ids[start : start + self.length + 1].astype(np.int64)).to(where)
                hidden, _ = self.model(window[None, :-1], cache=cache)
                nats = F.cross_entropy(self.model.head(hidden[0]).float(), window[1:], reduction="none")
                known = self.length - step if start else 0
                out[start + 1 + known : start + 1 + len(nats)] = nats[known:].double().cpu().numpy()
        return out
