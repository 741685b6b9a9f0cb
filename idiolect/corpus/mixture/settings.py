"""The settings of each source: the corpus's, and what its table changes."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from idiolect.corpus.mixture.config import DOSES, SourceConfig

if TYPE_CHECKING:
    from idiolect.corpus.config import CorpusConfig

_OWN = ("name", "origin", "rules", *DOSES)
_RULES = ("gopher", "c4", "fineweb", "words")


def settings_of(config: "CorpusConfig", source: SourceConfig) -> "CorpusConfig":
    """A corpus of this source alone. Raises ValueError when its settings contradict the corpus's."""
    values = {name: getattr(config, name) for name in type(config).model_fields}
    given = {name: value for name in type(source).model_fields if (value := getattr(source, name)) is not None}
    changed = {name: value for name, value in given.items() if name not in _OWN}
    if source.rules is False:
        unruled = {name: type(getattr(config.filter, name))() for name in _RULES}
        changed["filter"] = config.filter.model_copy(update=unruled)
    try:
        return type(config)(**{**values, "sources": (), "temperature": 1.0, **changed})
    except ValidationError as error:
        raise ValueError(f'source "{source.name}": {error.errors()[0]["msg"].removeprefix("Value error, ")}') from None


def content_of(source: SourceConfig) -> dict:
    """What of a source's table decides its documents: all but where its files lie and how often they are read."""
    return {
        name: value for name, value in source.model_dump(mode="json").items() if name not in (*DOSES, "text")
    }  # fmt: skip
