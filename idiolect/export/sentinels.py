"""The sentinels of a model that fills spans, made known to its tokenizer under T5's names: <extra_id_0>, ..."""

import json

from idiolect.tokenizer.encode import Tokenizer


def with_sentinels(tokenizer: Tokenizer, vocabulary_size: int) -> Tokenizer:
    """The tokenizer with a name for every id of the model's beyond its own; itself when there is none.

    They count upwards from the first, where T5's own files count down from the last. Not "special" to the library, so
    that stock code finds them in a text, while special tokens that a text spells out stay the text they are.
    """
    first = tokenizer.vocabulary_size
    if vocabulary_size <= first:
        return tokenizer
    described, settings = tokenizer.parts()
    library = json.loads(described)
    names = {f"<extra_id_{i - first}>": i for i in range(first, vocabulary_size)}
    library["added_tokens"] += [
        {
            "id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False,
        }
        for name, i in names.items()
    ]  # fmt: skip
    known = settings | {"specials": settings["specials"] | names}
    return Tokenizer(json.dumps(library, ensure_ascii=False), known)
