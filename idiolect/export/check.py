"""Is a written folder the model it came from? Stock code loads it; its logits and token ids are compared with ours."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from idiolect.errors import DataError, NumericsError

TOLERANCE = 1e-4
LEAST_POSITIONS = 1024

# Text of the kinds on which tokenizers are known to differ: spaces, breaks, digits, apostrophes, scripts, joined emoji,
# invisible characters, and special tokens spelled out.
WILD_TEXTS = (
    "It was a bright cold day in April, and the clocks were striking thirteen.",
    "I don't think they'll've seen 'em: she's, we'd, I'M, DON'T, rock 'n' roll.",
    "def f(x: int) -> str:\n\tif x > 0:\n        return f\"{x:>10}\"  # four\n\n\n    else:\n\t\treturn ''\n",
    "   leading, trailing   \n\n \n\t \r\n mixed\r\nbreaks\u2028here\u2029and\x0bthere\x0c ",
    "0 1 12 123 1234567890 3.14159 1,000,000 ١٢٣ ५६ Ⅷ ½ x² 10⁻³",
    "naïve café Straße ﬁne Ĳssel İstanbul ſ ß ẞ é e\u0301 ñ n\u0303 Å Å",
    "日本語のテキストと中文文本和한국어 텍스트입니다。「引用」、全角ＡＢＣ",
    "مرحبا بالعالم שלום עולם हिन्दी ไทย ελληνικά кириллица Հայերեն ქართული",
    "👩‍👩‍👧‍👦 👍🏽 🇫🇷🏴󠁧󠁢󠁥󠁮󠁧󠁿 ☕️ 𝒳 𐍈 🀄 \U000e0001",
    "zero\u200bwidth\u200djoiner\ufeffmark\u00a0nbsp\u3000ideographic\u00adsoft \x00\x01\x1b[0m\x7f\x85",
    "<|end|> <|pad|> <|unk|> <|user|><|assistant|> <s></s> <pad> [CLS] [SEP] <|endoftext|> <0x41> ##ing ▁word Ġword Ċ",
    'https://example.org/a?b=c&d=%20#e mail@example.org C:\\dir\\file.txt $x_i^2$ <b>&amp;</b> {"k": [1, null]}',
    "a" * 300 + " " + "ab" * 150 + " " * 60 + "!" * 80 + "\n" * 30,
    "",
    " ",
    "\n",
)


def check_tokens(transformers: ModuleType, folder: Path, tokenizer: Any, texts: Sequence[str]) -> dict[str, int]:
    """Stock tokenisation and decoding of wild and given texts equal ours, id for id. Raises DataError with the first
    text that differs; `n_texts` and `n_tokens` that agreed."""
    stock = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    n_tokens = 0
    for text in (*WILD_TEXTS, *texts):
        ours = tokenizer.encode(text).tolist()
        theirs = stock(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if ours != theirs:
            raise _differs("token ids", text, ours, theirs)
        # An unknown token is U+FFFD to us and nothing to stock code: there is no text to compare.
        if tokenizer.unknown_id not in ours:
            decoded = stock.decode(ours, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            if tokenizer.decode(ours) != decoded:
                raise _differs("decoded text", text, tokenizer.decode(ours), decoded)
        n_tokens += len(ours)
    for i, theirs in ((tokenizer.end_id, stock.eos_token_id), (tokenizer.pad_id, stock.pad_token_id)):
        if i != theirs:
            raise _differs("special tokens", tokenizer.token(i), i, theirs)
    return {"n_texts": len(WILD_TEXTS) + len(texts), "n_tokens": n_tokens}


def _differs(what: str, text: str, ours: Any, theirs: Any) -> DataError:
    return DataError(
        f"the exported tokenizer's {what} differ: {str(theirs)[:80]} for {text[:40]!r}, ours: {str(ours)[:80]}",
        why="stock transformers doesn't treat this tokenizer.json as we do, so its model would read other ids",
        fix="report this with the recipe's [tokenizer]; --tokenizer.kind=bpe is the most widely understood",
    )


def some_ids(tokenizer: Any, texts: Sequence[str], context_length: int) -> torch.Tensor:
    """Rows of real ids, each as long as the model reads, over a thousand positions or more; tokens_BT."""
    ids = np.concatenate([np.append(tokenizer.encode(text), tokenizer.end_id) for text in (*texts, *WILD_TEXTS)])
    n_rows = -(-LEAST_POSITIONS // context_length)
    wanted = n_rows * context_length
    return torch.from_numpy(np.resize(ids, wanted).astype(np.int64)).view(n_rows, context_length)


def stock_model(transformers: ModuleType, folder: Path, auto_class: str, exact: bool = True) -> nn.Module:
    """A folder's model as stock code loads it, in float32. Raises NumericsError when its tensors don't fit.

    `exact` minds tensors that stock code has no use for, too: a folder from elsewhere may hold another head.
    """
    model, loading = getattr(transformers, auto_class).from_pretrained(
        folder, local_files_only=True, output_loading_info=True, dtype=torch.float32, use_safetensors=True
    )
    # Stock code fills what is missing with random numbers and goes on; the names say more than the logits would.
    kinds = ("missing_keys", "mismatched_keys", *(("unexpected_keys",) if exact else ()))
    wrong = list(itertools.chain(*(loading[kind] for kind in kinds)))
    if wrong:
        raise NumericsError(
            f"stock {type(model).__name__} finds other tensors than it needs: {', '.join(map(str, wrong[:4]))}",
            why=f"{len(wrong)} are missing, unexpected or of another shape",
            fix="report this with the recipe's [model]",
        )
    return model.eval()


def _both_logits(ours: nn.Module, stock: nn.Module, tokens_1T: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Our logits and stock code's; to an encoder-decoder the row is what it writes, and, turned round, its source."""
    if ours.reads == "source":
        source_1S = tokens_1T.flip(1)
        ours_1TV = ours.head(ours(tokens_1T, source_BS=source_1S)[0])
        return ours_1TV, stock(input_ids=source_1S, decoder_input_ids=tokens_1T).logits
    return ours.head(ours(tokens_1T)[0]), stock(tokens_1T).logits


def check_logits(ours: nn.Module, stock: nn.Module, tokens_BT: torch.Tensor) -> dict[str, float | int]:
    """Logits of both at every position, both in float32 on the CPU. Raises NumericsError beyond the tolerance."""
    largest, same = 0.0, 0
    with torch.inference_mode():
        for tokens_1T in tokens_BT.split(1):
            ours_1TV, theirs_1TV = _both_logits(ours, stock, tokens_1T)
            # Not max(): that would let a NaN pass.
            difference = float((ours_1TV - theirs_1TV).abs().max())
            largest = difference if not difference <= largest else largest
            same += int((ours_1TV.argmax(-1) == theirs_1TV.argmax(-1)).sum())
    if not largest <= TOLERANCE:
        raise NumericsError(
            f"the exported model's logits differ from ours by {largest:.2g}",
            why=f"more than {TOLERANCE} in float32, over {tokens_BT.numel()} positions of real text",
            fix="nothing was left on disk; report this with the recipe's [model]",
        )
    return {"max_logit_difference": largest, "n_positions": tokens_BT.numel(), "n_same_argmax": same}
