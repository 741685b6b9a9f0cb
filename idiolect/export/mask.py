"""The mask token of a model that fills gaps, made known to its tokenizer."""

import json

from idiolect.generate.fill import MASK, leads_with_space
from idiolect.tokenizer.encode import Tokenizer


def with_mask(tokenizer: Tokenizer, mask_id: int) -> Tokenizer:
    """The tokenizer with [MASK] as its token `mask_id`; itself when that is a token of its own already.

    Not "special" to the library, so that stock code finds it in a text while special tokens that a text spells out stay
    the text they are. As in ours, the space before it is hidden with the word.
    """
    if mask_id < tokenizer.vocabulary_size:
        return tokenizer
    described, settings = tokenizer.parts()
    library = json.loads(described)
    library["added_tokens"].append(
        {
            "id": mask_id, "content": MASK, "single_word": False, "lstrip": leads_with_space(tokenizer),
            "rstrip": False, "normalized": False, "special": False,
        }
    )  # fmt: skip
    known = settings | {"specials": settings["specials"] | {MASK: mask_id}}
    return Tokenizer(json.dumps(library, ensure_ascii=False), known)
