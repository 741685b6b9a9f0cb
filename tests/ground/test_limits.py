"""No whole number of a recipe can ask for more than any machine has: what sizes a thing has an upper limit."""

import pytest

from idiolect.config import walk_fields
from idiolect.errors import RecipeError
from idiolect.models import FAMILIES
from idiolect.recipe import Recipe, load_recipe

# Numbers that are only compared with or counted up to: nothing is as large as they are.
COMPARED = {
    "corpus.fetch.disk_bytes", "corpus.fetch.max_files", "corpus.fetch.max_bytes", "corpus.fetch.max_ratio",
    "corpus.formats.max_document_bytes", "corpus.formats.max_pdf_pages", "corpus.formats.max_pdf_seconds",
    "corpus.formats.max_members", "corpus.clean.blank_lines", "corpus.clean.boilerplate_characters",
    "corpus.filter.language.min_letters", "corpus.filter.language.sample_characters",
    "corpus.filter.gopher.min_words", "corpus.filter.gopher.max_words", "corpus.filter.gopher.min_stop_words",
    "corpus.filter.c4.min_line_words", "corpus.filter.c4.max_word_length", "corpus.filter.c4.min_sentences",
    "corpus.filter.fineweb.short_line_characters", "corpus.filter.words.min_hits", "corpus.pii.key_characters",
    "corpus.quality.document_characters", "corpus.quality.seed", "corpus.perplexity.document_characters",
    "corpus.dedup.near.min_words", "corpus.dedup.lines.max_repeats", "corpus.dedup.lines.min_characters",
    "corpus.dedup.paragraphs.max_repeats", "corpus.dedup.paragraphs.min_characters", "corpus.audit.seed",
    "corpus.first_documents", "corpus.document_characters", "corpus.min_characters", "corpus.max_characters",
    "corpus.max_file_bytes",
    "corpus.max_ratio", "corpus.dropped_samples", "tokenizer.min_frequency", "tokenizer.sample_mb", "data.seed",
    "evaluate.stride", "evaluate.limit_tokens", "evaluate.validation_tokens", "evaluate.floors.train_tokens",
    "generate.seed", "generate.top_k", "finetune.task.seed", "finetune.task.min_examples",
    "finetune.task.max_tokens",
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
