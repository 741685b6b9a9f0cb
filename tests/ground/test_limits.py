"""No whole number of a recipe can ask for more than any machine has: what sizes a thing has an upper limit."""

import pytest

from idiolect.config import walk_fields
from idiolect.errors import RecipeError
from idiolect.models import FAMILIES
from idiolect.recipe import Recipe, load_recipe

# Numbers that are only compared with or counted up to: nothing is as large as they are.
COMPARED = {
    "corpus.document_characters", "corpus.min_characters", "corpus.max_characters", "corpus.max_file_bytes",
    "corpus.max_ratio", "corpus.dropped_samples", "tokenizer.min_frequency", "tokenizer.sample_mb", "data.seed",
    "evaluate.stride", "evaluate.limit_tokens", "evaluate.validation_tokens", "evaluate.floors.train_tokens",
    "generate.seed", "generate.top_k", "finetune.task.seed", "finetune.task.min_examples", "finetune.task.max_tokens",
}  # fmt: skip
COUNTED = ("every_steps", "patience", "momentum_warmup_steps")


def test_every_size_has_an_upper_limit():
    numbers = {key: info for key, info in walk_fields(Recipe) if info.annotation is int}
    limited = {key for key, info in numbers.items() if any(hasattr(m, "le") or hasattr(m, "lt") for m in info.metadata)}
    assert {key for key in numbers if not key.endswith(COUNTED)} - limited == COMPARED


@pytest.mark.parametrize("key", ["model.d_model", "generate.samples", "tokenizer.vocabulary_size", "corpus.workers"])
def test_an_absurd_size_is_one_clear_error(key):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, [f"{key}=1000000000000"])
    assert key in caught.value.what and "less than or equal to" in caught.value.why and caught.value.fix


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_number_of_a_family_has_an_upper_limit(kind):
    """A start a thousand times too wide or a norm that divides by nothing is refused, not trained."""
    numbers = {key: info for key, info in FAMILIES[kind].config.model_fields.items() if info.annotation in (int, float)}
    assert numbers
    for key, info in numbers.items():
        assert any(hasattr(m, "le") or hasattr(m, "lt") for m in info.metadata), key
