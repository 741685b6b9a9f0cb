"""To the Hugging Face format and back: a folder that stock `transformers` loads, equal to the model it came from.

    model + Tokenizer  ->  config.json  model.safetensors  tokenizer.json  tokenizer_config.json
                         generation_config.json  README.md  idiolect.json  manifest.json

Start at `export`. The folder is written aside, loaded by stock code, compared on real text, and only then takes its
name; when anything differs there is an error and no folder. No code of ours travels in it.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from idiolect.config import Config
from idiolect.errors import DataError, RecipeError, UnsafeError
from idiolect.export.card import card
from idiolect.export.check import check_logits, check_tokens, some_ids, stock_model
from idiolect.export.kinds import Kind, kind_for, kind_named
from idiolect.export.mask import with_mask
from idiolect.export.sentinels import with_sentinels
from idiolect.export.stock import stock_transformers
from idiolect.generate.fill import MASK
from idiolect.models import family
from idiolect.models.build import build_model
from idiolect.rundir import is_complete, new_folder, read_json, write_atomic, write_json
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.tokenizer.encode import SETTINGS_FILE, TOKENIZER_FILE, Tokenizer
from idiolect.tokenizer.load_file import load_file as load_tokenizer_file

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"


def export(
    model: nn.Module,
    model_config: Config,
    tokenizer: Any,
    out: Path,
    *,
    lineage: dict | None = None,
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """Write `out` and prove it; what was compared, and how close it was.

    `texts` (held-out ones, say) are compared besides our own wild ones; `lineage` is what the card tells (`card.card`).
    Raises RecipeError naming each setting that stock code can't express, NumericsError or DataError when the reloaded
    model or tokenizer differs, MissingExtra without transformers.
    """
    kind = kind_for(model_config)
    _check_free(Path(out))
    ours = copy.deepcopy(model).to("cpu", torch.float32).eval()
    with stock_transformers() as transformers, new_folder(Path(out)) as folder:
        _write_model(transformers, kind, ours, tokenizer, folder)
        _write_tokenizer(tokenizer, ours, folder)
        figures = {"kind": kind.name, **check_tokens(transformers, folder, tokenizer, texts)}
        tokens_BT = some_ids(tokenizer, texts, model_config.context_length)
        figures |= check_logits(ours, stock_model(transformers, folder, kind.auto_class), tokens_BT)
        figures["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        figures["bytes"] = sum(path.stat().st_size for path in folder.iterdir())
        write_atomic(folder / "README.md", card(_card_data(lineage or {}, figures, model_config, tokenizer)))
    return figures


def from_huggingface(folder: Path) -> tuple[nn.Module, Config, Any]:
    """Read a stock folder of one of `kinds.KINDS`: our model, its config, its tokenizer (None when it has none).

    The logits are compared with stock code's before anything is returned. Only safetensors are read. Raises RecipeError
    for settings our families don't have, UnsafeError for pickled weights, DataError for broken files.
    """
    folder = Path(folder)
    described = read_json(folder / "config.json")
    kind = kind_named(described.get("model_type") if isinstance(described, dict) else None)
    with stock_transformers() as transformers:
        stock_config, config = _read_settings(getattr(transformers, kind.config_class), kind, folder)
        model = build_model(config, stock_config.vocab_size, seed=0)
        stock_tensors = _read_weights(folder)
        try:
            model.load_state_dict(kind.from_stock(stock_tensors, config))
        except (KeyError, RuntimeError) as error:
            raise DataError(
                f"the weights in {folder} don't fit its config.json", why=str(error), fix="fetch the folder again"
            ) from error
        model.eval()
        tokenizer = _read_tokenizer(folder, stock_config)
        if config.reads == "both" and tokenizer is not None:
            model.mask_id = tokenizer.special_ids.get(MASK, model.mask_id)
        tokens_BT = torch.arange(2 * min(512, config.context_length)).view(2, -1) * 7919 % stock_config.vocab_size
        check_logits(model, stock_model(transformers, folder, kind.auto_class, exact=False), tokens_BT)
    return model, config, tokenizer


def _check_free(out: Path) -> None:
    """Raises RecipeError rather than replace a folder that isn't an export of ours."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out.is_dir() and is_complete(out) and (out / "config.json").exists() and (out / SETTINGS_FILE).exists()):
        raise RecipeError(
            f"{out} exists and is not an earlier export",
            why="an export replaces its folder as a whole, and what is in there would be lost",
            fix=f"--out={out}-export, or an empty folder",
        )


def _write_model(transformers: ModuleType, kind: Kind, model: nn.Module, tokenizer: Any, folder: Path) -> None:
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad_id}
    if model.reads == "source":
        ids["decoder_start_token_id"] = tokenizer.end_id
    stock_config = getattr(transformers, kind.config_class)(
        **kind.settings(model.config), **ids, vocab_size=model.vocabulary_size,
        architectures=[kind.model_class], dtype="float32",
    )  # fmt: skip
    stock_config.save_pretrained(folder)
    if kind.auto_class != "AutoModelForMaskedLM":
        transformers.GenerationConfig(**ids, do_sample=True, temperature=0.8, min_p=0.05).save_pretrained(folder)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in kind.to_stock(model).items()}
    # transformers refuses a file that doesn't say which framework wrote it.
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _write_tokenizer(tokenizer: Any, model: nn.Module, folder: Path) -> None:
    """tokenizer.json as we use it ourselves, and what stock code wants to know beside it."""
    mask_id = model.mask_id if model.reads == "both" else None
    if mask_id is not None:
        tokenizer = with_mask(tokenizer, mask_id)
    if model.reads == "source":
        tokenizer = with_sentinels(tokenizer, model.vocabulary_size)
    tokenizer.save(folder)
    names = {
        "eos_token": tokenizer.end_id, "pad_token": tokenizer.pad_id, "unk_token": tokenizer.unknown_id,
        "mask_token": mask_id,
    }  # fmt: skip
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.context_length,
            "clean_up_tokenization_spaces": False,
            "add_bos_token": False,
            "add_eos_token": False,
            # As with us: a text that spells <|end|> is that text, not the end. But a gap is spelled in the text.
            "split_special_tokens": mask_id is None,
            **{name: tokenizer.token(i) for name, i in names.items() if i is not None},
        },
    )


def _read_settings(config_class: type, kind: Kind, folder: Path) -> tuple[Any, Config]:
    """The stock config of a folder, and ours. Raises DataError for numbers that no model has."""
    try:
        stock = config_class.from_pretrained(folder, local_files_only=True)
        config = family(kind.family).config(**kind.from_settings(stock))
        if stock.vocab_size < 1:
            raise ValueError(f"vocab_size = {stock.vocab_size}")
    except RecipeError:
        raise
    except Exception as error:  # pydantic's, and several of stock code's own
        why = " ".join(str(error).split())[:200]
        raise DataError(
            f"{folder / 'config.json'} describes no model", why=why, fix="fetch the folder again"
        ) from error
    return stock, config


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors, in float32, from one safetensors file or from several with an index."""
    tensors: dict[str, torch.Tensor] = {}
    for file in _weight_files(folder):
        try:
            tensors |= load_file(folder / file)
        except Exception as error:  # safetensors has its own exception and raises OSError too
            raise DataError(f"{folder / file} can't be read", why=str(error), fix="fetch the folder again") from error
    return {name: tensor.float() for name, tensor in tensors.items()}


def _weight_files(folder: Path) -> list[str]:
    files = [WEIGHTS]
    if (folder / WEIGHTS_INDEX).exists():
        index = read_json(folder / WEIGHTS_INDEX)
        files = sorted({str(file) for file in index.get("weight_map", {}).values()})
    for file in files:
        # A name with a folder in it could point anywhere on this machine.
        if Path(file).name != file:
            raise UnsafeError(f"{file} lies outside {folder}", why="its index names it", fix="fetch the folder again")
        if not (folder / file).exists() and (any(folder.glob("*.bin")) or any(folder.glob("*.pt*"))):
            raise UnsafeError(
                f"{folder} has its weights in a pickle file",
                why="opening one runs whatever code it holds",
                fix="convert it to safetensors on a machine you can lose, and read that",
            )
        if not (folder / file).exists():
            raise DataError(f"{folder / file} is missing", why="it holds weights", fix="fetch the folder again")
    return files


def _read_tokenizer(folder: Path, stock_config: Any) -> Any:
    if not (folder / TOKENIZER_FILE).exists():
        return None
    if (folder / SETTINGS_FILE).exists():
        return Tokenizer.load(folder)
    return load_tokenizer_file(
        TokenizerConfig(kind="file", path=str(folder / TOKENIZER_FILE), end_token=_end_token(folder, stock_config))
    )


def _end_token(folder: Path, stock_config: Any) -> str:
    """How the end of a document is spelled; "" when the folder doesn't say."""
    ids = stock_config.eos_token_id
    wanted = ids[0] if isinstance(ids, list) else ids
    added = json.loads((folder / TOKENIZER_FILE).read_text("utf-8")).get("added_tokens", [])
    return next((token["content"] for token in added if token["id"] == wanted), "")


def _card_data(lineage: dict, figures: dict, config: Config, tokenizer: Any) -> dict:
    limits = [*lineage.get("limits", ())]
    if not tokenizer.lossless:
        limits.append(f"The tokenizer loses something of the text: {tokenizer.loss_note}")
    if config.reads == "both":
        limits.append(
            f"A gap is written {MASK}; to read a text that spells a special token as plain text, call the tokenizer "
            "with split_special_tokens=True."
        )
    return lineage | {
        "limits": limits,
        "architecture": figures["kind"],
        "parameters": figures["parameters"],
        "context_length": config.context_length,
        "vocabulary_size": tokenizer.vocabulary_size,
        "tokenizer": tokenizer.kind,
        "check": figures,
    }
