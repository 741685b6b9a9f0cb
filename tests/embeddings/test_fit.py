"""Width, mean and scale, against scikit-learn and by hand; the same each time."""

import numpy as np
import pytest

from idiolect.embeddings.config import EmbeddingsConfig
from idiolect.embeddings.fit import fit, principal_axes
from idiolect.errors import RecipeError
from tests.embeddings.conftest import vectors

PROJECT = EmbeddingsConfig(width="project")


def test_vectors_of_the_right_width_are_centred_and_scaled():
    rows = vectors(50, 8) + 3
    found = fit(rows, 8, 0.02, EmbeddingsConfig())
    assert found.dtype == np.float32 and np.sqrt(np.mean(found**2)) == pytest.approx(0.02, rel=1e-5)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose(found / found[0, 0], (rows - rows.mean(0)) / (rows - rows.mean(0))[0, 0], rtol=1e-3)


def test_nothing_is_changed_when_nothing_is_asked_for():
    rows = vectors(50, 8)
    np.testing.assert_array_equal(fit(rows, 8, 0.02, EmbeddingsConfig(centre=False, scale="as_is")), rows)


def test_another_width_is_refused_with_both_ways_out():
    with pytest.raises(RecipeError) as caught:
        fit(vectors(5, 8), 16, 1.0, EmbeddingsConfig())
    assert "--model.d_model=8" in caught.value.fix and "--embeddings.width=project" in caught.value.fix


def test_narrower_vectors_are_padded_with_zeros():
    found = fit(vectors(50, 8), 12, 1.0, PROJECT)
    assert (found[:, 8:] == 0).all() and np.sqrt(np.mean(found**2)) == pytest.approx(1, rel=1e-5)


def test_wider_vectors_become_their_principal_components():
    pca = pytest.importorskip("sklearn.decomposition").PCA
    rows = vectors(200, 20) * np.linspace(1, 3, 20) + 5
    found = fit(rows, 6, 1.0, EmbeddingsConfig(width="project", scale="as_is"))
    theirs = pca(6, svd_solver="full").fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(np.abs(found), np.abs(theirs), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found @ found.T, theirs @ theirs.T, rtol=1e-3, atol=1e-2)


def test_the_sign_of_an_axis_depends_on_the_vectors_alone():
    rows = vectors(100, 6).astype(np.float64)
    axes = principal_axes(rows, 3)
    np.testing.assert_allclose(principal_axes(rows[::-1], 3), axes, atol=1e-9)
    np.testing.assert_allclose(principal_axes(-rows, 3), axes, atol=1e-9)
    assert (np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0) > 0).all()


def test_no_vectors_at_all_are_no_error():
    assert fit(np.zeros((0, 8), np.float32), 4, 1.0, PROJECT).shape == (0, 4)
    assert fit(np.zeros((3, 8), np.float32), 8, 1.0, PROJECT).shape == (3, 8)
