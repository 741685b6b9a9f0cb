"""Load somebody else's tokenizer.json, and make it keep our promises: an end of document, no special id from text."""

import json
from pathlib import Path

from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.config import flatten
from idiolect.errors import DataError
from idiolect.tokenizer.config import END, PAD, TokenizerConfig
from idiolect.tokenizer.encode import FORMAT, Tokenizer

# The first that the file has is used.
_END_NAMES = (END, "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot_id|>", "<|im_end|>", "[SEP]")
_PAD_NAMES = (PAD, "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|padding|>")


def load_file(config: TokenizerConfig) -> Tokenizer:
    """A tokenizer from an existing tokenizer.json; its ids stay, special tokens it lacks are added at the end."""
    described = _read(Path(config.path))
    end = _pick(described, (config.end_token,) if config.end_token else _END_NAMES, config)
    pad = _pick(described, _PAD_NAMES, None)
    for token in described["added_tokens"]:
        token["special"] = token["special"] or token["content"] in (end, pad)
    # Truncation, padding and beginning-of-text marks belong to a batch, not to a document's tokens.
    described |= {"truncation": None, "padding": None, "post_processor": None}
    if described["model"].get("dropout"):
        described["model"]["dropout"] = None  # random merges would make shards differ from run to run
    library = _parse(json.dumps(described, ensure_ascii=False), config.path)
    library.add_special_tokens([end or END, pad or PAD])
    unknown = _unknown_token(described["model"])
    specials = {t.content: i for i, t in library.get_added_tokens_decoder().items() if t.special}
    if unknown is not None and library.token_to_id(unknown) is not None:
        specials[unknown] = library.token_to_id(unknown)
    byte_level, loss_note = _what_is_lost(described, unknown)
    settings = {
        "format": FORMAT,
        "kind": "file",
        "specials": specials,
        "end": end or END,
        "pad": pad or PAD,
        "unknown": unknown or "",
        "lossless": not loss_note,
        "loss_note": loss_note,
        "spelling": "byte letters" if byte_level else "joined",
        "config": {name: value for name, value in flatten(config).items() if name != "path"},
    }
    return Tokenizer(library.to_str(), settings)


def _read(path: Path) -> dict:
    """The file as the library itself writes it again, so that nothing below meets a shape the library refuses."""
    try:
        content = path.read_text("utf-8")
        described = json.loads(content)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(described, dict) or not isinstance(described.get("model"), dict):
        raise _unreadable(path, "it describes no model")
    return json.loads(_parse(content, path).to_str())


def _parse(content: str, path: Path | str) -> LibraryTokenizer:
    try:
        return LibraryTokenizer.from_str(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare Exception for whatever it can't read, or panics over it
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path | str, why: str) -> DataError:
    return DataError(
        f"{path} can't be loaded as a tokenizer",
        why=why,
        fix="give a tokenizer.json of the Hugging Face library, or train one with --tokenizer.kind=bpe",
    )


def _pick(described: dict, names: tuple[str, ...], config: TokenizerConfig | None) -> str | None:
    vocabulary = described["model"].get("vocab") or {}
    pieces = set(vocabulary) if isinstance(vocabulary, dict) else {entry[0] for entry in vocabulary}
    known = pieces | {token["content"] for token in described["added_tokens"]}
    found = next((name for name in names if name in known), None)
    if found is None and config is not None and config.end_token:
        raise DataError(
            f"{config.path} has no token {config.end_token!r}",
            why="tokenizer.end_token names its end of document",
            fix=f"leave it empty and {END} is added, or name one it has",
        )
    return found


def _unknown_token(model: dict) -> str | None:
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def _what_is_lost(described: dict, unknown: str | None) -> tuple[bool, str]:
    """Whether tokens are spelled in byte letters, and what decoding may not bring back."""
    pre_tokenizer, decoder = described.get("pre_tokenizer") or {}, described.get("decoder") or {}
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    byte_level = decoder.get("type") == "ByteLevel" and any(step.get("type") == "ByteLevel" for step in steps)
    lost = []
    if not byte_level:
        unknown_too = f", and unknown text becomes {unknown}" if unknown else ""
        lost.append(f"How the file joins tokens may change white space{unknown_too}.")
    elif any(step.get("add_prefix_space") for step in steps):
        lost.append("A space is put before every document.")
    if described.get("normalizer"):
        lost.append("The file's own normaliser changes the text.")
    return byte_level, " ".join(lost)
