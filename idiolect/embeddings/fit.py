"""Vectors to a model's size: its width, its mean and the scale of its own random start. Pure functions of arrays."""

import numpy as np

from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.errors import RecipeError


def fit(vectors_NW: np.ndarray, width: int, rms: float, config: EmbeddingsConfig) -> np.ndarray:
    """(N, width) float32 with the recipe's mean and scale; `rms` is the root mean square of the model's own start.

    Raises RecipeError when the widths differ and the recipe doesn't say to project.
    """
    check_width(vectors_NW.shape[1], width, config)
    fitted_NW = vectors_NW.astype(np.float64)
    if config.centre and len(fitted_NW):
        fitted_NW = fitted_NW - fitted_NW.mean(0)
    if fitted_NW.shape[1] > width:
        fitted_NW = fitted_NW @ principal_axes(fitted_NW, width)
    elif fitted_NW.shape[1] < width:
        fitted_NW = np.pad(fitted_NW, ((0, 0), (0, width - fitted_NW.shape[1])))
    size = np.sqrt(np.mean(np.square(fitted_NW))) if fitted_NW.size else 0.0
    if config.scale == "model" and size and rms:
        fitted_NW = fitted_NW * (rms / size)
    return fitted_NW.astype(np.float32)


def check_width(have: int, width: int, config: EmbeddingsConfig) -> None:
    """Raise RecipeError when vectors are not as wide as the model's embedding and the recipe doesn't say to project."""
    if have != width and config.width == "refuse":
        raise RecipeError(
            f"the vectors have {have} numbers each, the model's embedding {width}",
            why="each number of a vector needs a channel of its own",
            fix=f"--embeddings.width=project to fit them, or --model.d_model={have} and heads that divide it",
        )


def principal_axes(vectors_NW: np.ndarray, n_axes: int) -> np.ndarray:
    """(W, n_axes): directions of most variance, the first the largest; each one's largest entry is positive.

    That choice of sign makes them a function of the vectors alone.
    """
    centred_NW = vectors_NW - vectors_NW.mean(0) if len(vectors_NW) else vectors_NW
    _, axes_WW = np.linalg.eigh(centred_NW.T @ centred_NW)
    axes_WA = axes_WW[:, ::-1][:, :n_axes]
    largest_A = axes_WA[np.abs(axes_WA).argmax(0), np.arange(axes_WA.shape[1])]
    return axes_WA * np.where(largest_A < 0, -1.0, 1.0)
