"""The table by which a model looks its tokens up, whatever the family: where it is, and new rows for it."""

import numpy as np
import torch
from torch import nn

from idiolect.config import Config
from idiolect.errors import RecipeError
from idiolect.models import family


def find_embedding(model: nn.Module) -> str | None:
    """The name of the token embedding's parameter; None for a family that looks no tokens up."""
    name = getattr(model, "embedding_name", "embed.weight")
    return name if name in dict(model.named_parameters()) else None


def embedding_name(model: nn.Module) -> str:
    """The parameter (V, D) of the token embedding: `embed.weight`, or what the family calls it in `embedding_name`.

    Raises RecipeError when the family looks no tokens up.
    """
    name = find_embedding(model)
    if name is None:
        raise RecipeError(
            f"{type(model).__name__} has no embedding of its tokens",
            why="it counts tokens, and holds no vector for them",
            fix="a run of a --model.kind that learns vectors, such as gpt; --embeddings.source=random to train this",
        )
    return name


def embedding_width(config: Config, vocabulary_size: int) -> int:
    """Numbers to a token in the embedding of a model that isn't built: nothing is allocated. Raises RecipeError."""
    with torch.device("meta"):
        model = family(config.kind).load()(config, vocabulary_size)
    return model.get_parameter(embedding_name(model)).shape[1]


@torch.no_grad()
def embedding_rms(model: nn.Module) -> float:
    """Root mean square of the token embedding as it is."""
    return float(model.get_parameter(embedding_name(model)).float().square().mean().sqrt())


@torch.no_grad()
def place_rows(model: nn.Module, rows_N: np.ndarray, vectors_ND: np.ndarray) -> None:
    """Put vectors (N, D) into the rows (N,) of the token embedding; the others stay. A tied head shares them."""
    parameter = model.get_parameter(embedding_name(model))
    found_ND = torch.from_numpy(np.ascontiguousarray(vectors_ND)).to(parameter)
    parameter[torch.from_numpy(rows_N).to(parameter.device)] = found_ND


@torch.no_grad()
def embedding_rows(model: nn.Module) -> np.ndarray:
    """The token embedding (V, D) as float32."""
    return model.get_parameter(embedding_name(model)).detach().float().cpu().numpy()
