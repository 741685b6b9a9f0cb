"""Build a tokenizer from text: the training split's, never more, or what is learned of the rest leaks into the score.

Start at `build`. Each kind is one function that returns the library's tokenizer without special tokens; these come
last, outside what was learned, so their ids are the highest.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as LibraryTokenizer

from idiolect.config import flatten
from idiolect.errors import DataError, RecipeError
from idiolect.tokenizer.byte_letters import letter_of_byte
from idiolect.tokenizer.config import END, PAD, UNKNOWN, TokenizerConfig
from idiolect.tokenizer.encode import FORMAT, Tokenizer
from idiolect.tokenizer.load_file import load_file
from idiolect.tokenizer.unigram import train_unigram
from idiolect.tokenizer.words import gpt2_pre_tokenizer, space_cutter, space_pre_tokenizer, word_cutter

_WORD_START = "\u2581"
_LONGEST_WORD = 100  # characters; WordPiece's greedy search is quadratic in a word's length


def build(config: TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """Train (or load) a tokenizer: the same config and texts give the same files, byte for byte.

    Raises RecipeError when the vocabulary can't hold what it must, DataError when there is no text.
    """
    if config.kind == "file":
        return load_file(config)
    library, spelling = _KINDS[config.kind](config, sampled(texts, config.sample_mb * 1_000_000))
    has_unknown = library.token_to_id(UNKNOWN) is not None
    library.add_special_tokens([*([UNKNOWN] if has_unknown else []), *config.specials])
    specials = [*config.specials, *([UNKNOWN] if has_unknown else [])]
    loss_note = _loss_note(config)
    settings = {
        "format": FORMAT,
        "kind": config.kind,
        "specials": {name: library.token_to_id(name) for name in specials},
        "end": END,
        "pad": PAD,
        "unknown": UNKNOWN,
        "lossless": not loss_note,
        "loss_note": loss_note,
        "spelling": spelling,
        "config": flatten(config),
    }
    return Tokenizer(library.to_str(), settings)


def sampled(texts: Iterable[str], limit_bytes: int) -> Iterator[str]:
    """At most about `limit_bytes` of the texts, in their order: those whose hashes are smallest.

    Which texts are taken depends on their content alone, not on their order or number, and memory stays bounded.
    """
    heap: list[tuple[int, int, str]] = []
    held, refused = 0, 1 << 64  # what stands behind a text once refused is refused, too, or the order would matter
    for n, text in enumerate(texts):
        data = text.encode("utf-8", "surrogatepass")
        rank = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
        if rank >= refused:
            continue
        heapq.heappush(heap, (-rank, n, text))
        held += len(data)
        while held > limit_bytes and len(heap) > 1:
            last, _, dropped = heapq.heappop(heap)
            held, refused = held - len(dropped.encode("utf-8", "surrogatepass")), -last
    if not held:
        raise DataError(
            "there is no text to learn a tokenizer from",
            why="the training split is empty",
            fix="look at what was dropped in audit.json, or use --tokenizer.kind=byte, which learns nothing",
        )
    for _, _, text in sorted(heap, key=lambda entry: entry[1]):
        yield text


def _bpe(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    library = _byte_level(models.BPE(), config)
    trainer = trainers.BpeTrainer(
        vocab_size=_room(config, least=256),
        min_frequency=config.least_count,
        initial_alphabet=list(letter_of_byte()),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    return library, "byte letters"


def _unigram(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    library = _byte_level(models.Unigram(), config)
    counts = count_words(library, texts, word_cutter(config.split_digits))
    pieces = train_unigram(counts, letter_of_byte(), _room(config, least=256), config.least_count)
    library.model = models.Unigram(pieces, None, False)
    return library, "byte letters"


def _word(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    library = _byte_level(models.WordLevel({UNKNOWN: 0}, UNKNOWN), config)
    between_spaces = config.words == "spaces"
    if between_spaces:
        library.pre_tokenizer = space_pre_tokenizer()
    counts = count_words(library, texts, space_cutter() if between_spaces else word_cutter(config.split_digits))
    frequent = sorted((-n, word) for word, n in counts.items() if n >= config.least_count)
    words = [word for _, word in frequent[: _room(config, least=1) - 1]]
    library.model = models.WordLevel({word: i for i, word in enumerate([UNKNOWN, *words])}, UNKNOWN)
    return library, "byte letters"


def _wordpiece(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    # The library's own trainer numbers its "##" letters in the order of a hash table, so no two runs agree. Its BPE
    # trainer sorts its alphabet: train that on words marked at their start, and rename ("_ab" -> "ab", "ab" -> "##ab").
    size, texts = _room(config, least=16), list(texts)
    # Rare letters must go (Chinese alone would fill the vocabulary), but of two equally rare ones the trainer's own
    # limit drops either: the letters are chosen here, and given to it as the only ones.
    counts = _count_characters(_normalizer(config), texts)
    counts[[ord(c) for c in " \t\n\r"]] = 0
    alphabet = [_WORD_START, *map(chr, _most_frequent(counts, 1, max(8, min(1000, size // 4))))]
    library = LibraryTokenizer(models.BPE())
    library.normalizer = _normalizer(config)
    cut = [pre_tokenizers.BertPreTokenizer(), *([pre_tokenizers.Digits(True)] if config.split_digits else [])]
    mark = pre_tokenizers.Metaspace(replacement=_WORD_START, prepend_scheme="always", split=False)
    library.pre_tokenizer = pre_tokenizers.Sequence([*cut, mark])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=config.least_count,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    library.train_from_iterator(texts, trainer)
    learned = sorted(library.get_vocab().items(), key=lambda entry: entry[1])
    letters = [piece for piece, _ in learned if len(piece) == 1 and piece != _WORD_START]
    merged = [piece for piece, _ in learned if len(piece) > 1]
    renamed = [p[1:] if p.startswith(_WORD_START) else f"##{p}" for p in merged]
    names = dict.fromkeys([UNKNOWN, *letters, *(f"##{letter}" for letter in letters), *renamed])
    vocabulary = {name: i for i, name in enumerate(list(names)[:size])}
    library = LibraryTokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD))
    library.normalizer = _normalizer(config)
    library.pre_tokenizer = pre_tokenizers.Sequence(cut) if config.split_digits else cut[0]
    library.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return library, "joined"


def _character(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    base = [f"<0x{byte:02X}>" for byte in range(256)] if config.byte_fallback else [UNKNOWN]
    normalizer = _normalizer(config)
    counts = _count_characters(normalizer, texts)
    frequent = _most_frequent(counts, config.least_count, _room(config, least=len(base)) - len(base))
    vocabulary = {text: i for i, text in enumerate([*base, *map(chr, frequent)])}
    if config.byte_fallback:
        library = LibraryTokenizer(models.BPE(vocabulary, [], byte_fallback=True))
        library.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    else:
        library = LibraryTokenizer(models.WordLevel(vocabulary, UNKNOWN))
        library.decoder = decoders.Fuse()
    library.normalizer = normalizer
    library.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return library, "as is"


def _byte(config: TokenizerConfig, texts: Iterator[str]) -> tuple[LibraryTokenizer, str]:
    library = LibraryTokenizer(models.BPE({letter: byte for byte, letter in enumerate(letter_of_byte())}, []))
    library.normalizer = _normalizer(config)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.decoder = decoders.ByteLevel()
    return library, "byte letters"


_KINDS: dict[str, Callable[[TokenizerConfig, Iterator[str]], tuple[LibraryTokenizer, str]]] = {
    "bpe": _bpe,
    "unigram": _unigram,
    "wordpiece": _wordpiece,
    "word": _word,
    "character": _character,
    "byte": _byte,
}


def count_words(library: LibraryTokenizer, texts: Iterable[str], cut: Callable[[str], list[str]]) -> dict[str, int]:
    """How often each word, in byte letters, occurs in the texts."""
    counts = Counter()
    for text in texts:
        # Through UTF-8 and back, so that what is no character is replaced as the library would refuse it.
        text = text.encode("utf-8", "replace").decode()
        counts.update(cut(library.normalizer.normalize_str(text) if library.normalizer else text))
    letters = letter_of_byte()
    return {"".join(letters[byte] for byte in word.encode()): n for word, n in counts.items()}


def _count_characters(normalizer: normalizers.Normalizer | None, texts: Iterable[str]) -> np.ndarray:
    counts = np.zeros(0x110000, np.int64)
    for text in texts:
        text = normalizer.normalize_str(text) if normalizer else text
        code_points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        found, n = np.unique(code_points, return_counts=True)
        counts[found] += n
    counts[0xD800:0xE000] = 0
    return counts


def _most_frequent(counts: np.ndarray, least_count: int, n: int) -> list[int]:
    """The n most frequent code points, in their own order; of equally frequent ones the lower."""
    frequent = np.flatnonzero(counts >= least_count)
    return sorted(frequent[np.argsort(-counts[frequent], kind="stable")][:n].tolist())


def _byte_level(model: models.Model, config: TokenizerConfig) -> LibraryTokenizer:
    library = LibraryTokenizer(model)
    library.normalizer = _normalizer(config)
    library.pre_tokenizer = gpt2_pre_tokenizer(config.split_digits)
    library.decoder = decoders.ByteLevel()
    return library


def _normalizer(config: TokenizerConfig) -> normalizers.Normalizer | None:
    steps = {"none": [], "nfc": [normalizers.NFC()], "nfkc": [normalizers.NFKC()]}[config.normalise]
    steps = [*steps, *([normalizers.Lowercase()] if config.lower_case else [])]
    if config.kind == "wordpiece":
        # Its pre-tokenizer keeps control characters, which no decoder could tell from white space.
        steps = [normalizers.BertNormalizer(True, False, False, False), *steps]
    return normalizers.Sequence(steps) if steps else None


def _room(config: TokenizerConfig, least: int) -> int:
    """Places left for learned tokens. Raises RecipeError when fewer than the kind must have."""
    room = config.vocabulary_size - len(config.specials)
    if room < least:
        raise RecipeError(
            f"tokenizer.vocabulary_size = {config.vocabulary_size} is too small for kind = {config.kind!r}",
            why=f"it needs {least} tokens of its own (single bytes or letters) and {len(config.specials)} special ones",
            fix=f"--tokenizer.vocabulary_size={least + len(config.specials)} or more",
        )
    return room


def _loss_note(config: TokenizerConfig) -> str:
    """What decoding can't bring back, in a sentence or two; empty when nothing is lost."""
    lost = {
        "word": "Words outside the vocabulary become <|unk|>.",
        "wordpiece": "Kinds and amounts of white space are lost, spaces around punctuation are guessed, control "
        f"characters vanish, and words with unseen letters or over {_LONGEST_WORD} characters become <|unk|>.",
        "character": "" if config.byte_fallback else "Characters outside the vocabulary become <|unk|>.",
    }.get(config.kind, "")
    if config.normalise != "none":
        lost += f" Text comes back in Unicode form {config.normalise.upper()}."
    if config.lower_case:
        lost += " Capitals are lost: scores are not comparable with those on the original text."
    return lost.strip()
