"""What a recipe may ask of a tokenizer."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from idiolect.config import Config, Items, field
from idiolect.errors import RecipeError

# Always "<|", letters, "|>": every pre-tokenizer of ours cuts such a string into three pieces, so that no learned
# token can ever be spelled like a special one.
SpecialName = Annotated[str, Field(pattern=r"^<\|[A-Za-z0-9_]+\|>$")]

END, PAD, UNKNOWN = "<|end|>", "<|pad|>", "<|unk|>"
CHAT = ("<|user|>", "<|assistant|>", "<|system|>")


class TokenizerConfig(Config):
    """How text is cut into tokens."""

    kind: Literal["bpe", "unigram", "wordpiece", "word", "character", "byte", "file"] = field(
        "bpe", "bpe and byte lose nothing and fit any text; file loads an existing tokenizer.json"
    )
    vocabulary_size: int = field(
        8192, "most tokens, special ones included; bytes and files have their own", gt=0, le=2**24
    )
    min_frequency: int = field(0, "a token must occur this often to be learned; 0: 2, and 1 for characters", ge=0)
    normalise: Literal["none", "nfc", "nfkc"] = field("none", "Unicode normal form applied before encoding")
    lower_case: bool = field(False, "lower-case the text; a model trained so can never write a capital")
    split_digits: bool = field(False, "every digit is a token of its own (bpe, unigram, word, wordpiece)")
    words: Literal["text", "spaces"] = field(
        "text",
        "word: text cuts at punctuation, too; spaces takes what stands between spaces, and each line end, as a token: "
        "for text that is cut already (WikiText, Penn Treebank)",
    )
    byte_fallback: bool = field(False, "character: write unknown characters as bytes, at 256 more tokens")
    chat_tokens: bool = field(True, "reserve <|user|>, <|assistant|> and <|system|> for chat fine-tuning")
    extra_specials: Items[SpecialName] = field((), "further reserved tokens, spelled <|name|>")
    path: str = field("", "file: the tokenizer.json to load")
    end_token: str = field("", "file: its end-of-document token; empty: the usual names are tried, then one is added")
    sample_mb: int = field(256, "train on at most this much text, sampled evenly from all documents", gt=0)

    @model_validator(mode="after")
    def _agrees(self) -> "TokenizerConfig":
        if self.kind == "file" and not self.path:
            raise RecipeError(
                'tokenizer.kind = "file" needs tokenizer.path',
                why="there is no tokenizer.json to load",
                fix="--tokenizer.path=tokenizer.json, or --tokenizer.kind=bpe to train one",
            )
        if self.words == "spaces" and (self.kind != "word" or self.split_digits):
            raise RecipeError(
                'tokenizer.words = "spaces" goes with tokenizer.kind = "word", and not with tokenizer.split_digits',
                why="it takes the words as the text has cut them",
                fix="--tokenizer.kind=word --tokenizer.split_digits=false, or --tokenizer.words=text",
            )
        clash = set(self.extra_specials) & {END, PAD, UNKNOWN, *CHAT}
        if clash or len(set(self.extra_specials)) < len(self.extra_specials):
            raise RecipeError(
                f"tokenizer.extra_specials names a token twice: {sorted(clash or self.extra_specials)}",
                why="every special token has one id",
                fix="remove the repeated name",
            )
        return self

    @property
    def least_count(self) -> int:
        """`min_frequency` with its default resolved."""
        return self.min_frequency or (1 if self.kind == "character" else 2)

    @property
    def specials(self) -> tuple[str, ...]:
        """Names of the special tokens, in the order of their ids (<|unk|> apart: only lossy kinds have one)."""
        return (END, PAD, *(CHAT if self.chat_tokens else ()), *self.extra_specials)
