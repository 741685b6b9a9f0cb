"""A gap between two texts is filled by a left reader that learned to: data/objectives/fill_in_the_middle.py.

    before, after  ->  | <P> before <S> after <M>  ->  middle, until the end token

Both texts and the filling must fit in the model's context together, for a text that is read through a moving window
loses its marks. Where they don't, what is farthest from the gap is left out.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from idiolect.errors import RecipeError
from idiolect.generate.config import GenerateConfig
from idiolect.generate.decode import continue_ids
from idiolect.generate.row import Generated, OnText

# The end token before the text, and the three marks.
N_MARKS = 4
LEAST_ROOM = 8


def fill_gap(
    model: nn.Module,
    tokenizer: Any,
    befores: Sequence[str],
    after: str,
    config: GenerateConfig,
    marks: tuple[int, int, int],
    suffix_first: bool = False,
    on_text: OnText | None = None,
) -> list[Generated]:
    """What may stand between each text of `befores` and `after`; `marks` are the ids of <P>, <S>, <M>.

    `suffix_first` puts the question in the second of the two forms. Raises RecipeError when the model's context has no
    room for a gap.
    """
    if model.context_length < N_MARKS + LEAST_ROOM:
        raise RecipeError(
            f"a model that reads {model.context_length} positions has no room for a gap",
            why=f"the marks take {N_MARKS} of them, and something must stand before, in and after the gap",
            fix="train with a larger --model.context_length",
        )
    # No less than half is left for the texts around the gap, however long its filling may become.
    n_most = min(config.max_tokens, (model.context_length - N_MARKS) // 2)
    room = model.context_length - N_MARKS - n_most
    config = config.model_copy(update={"max_tokens": n_most, "stop_at_end": True})
    after_ids = tokenizer.encode(after).tolist()
    sides = [fitted(tokenizer.encode(before).tolist(), after_ids, room) for before in befores]
    prompts = [[tokenizer.end_id, *arranged(*side, marks, suffix_first)] for side in sides]
    return continue_ids(model, tokenizer, prompts, config, on_text)


def fitted(before: list[int], after: list[int], room: int) -> tuple[list[int], list[int]]:
    """The end of one text and the beginning of the other, `room` tokens at most: half each, or what is left over."""
    n_before = min(len(before), max(room - len(after), room // 2))
    return before[len(before) - n_before :], after[: room - n_before]


def arranged(before: list[int], after: list[int], marks: tuple[int, int, int], suffix_first: bool) -> list[int]:
    """The question as the objective puts it, up to where the middle begins."""
    prefix, suffix, middle = marks
    if suffix_first:
        return [prefix, suffix, *after, middle, *before]
    return [prefix, *before, suffix, *after, middle]
