"""The embedded corpus: read without importing anything, and prose."""

import subprocess
import sys
from pathlib import Path

import pytest

from idiolect.corpus.prose import is_prose, prose_of
from idiolect.corpus.sources import default

NUMPYDOC = """
norm(x, ord=None)

Matrix or vector norm, returned by this `function <http://x.y>`_ as one of
many possible norms, depending on the value of the :ref:`order <ord>` parameter.

Parameters
----------
x : array_like
    Input array.  If no axis is given, the array must be flat or square.
ord : {int, str}
    See :func:`~numpy.linalg.svd`.

Returns
-------
n : float

See Also
--------
scipy.linalg.norm : Similar function in SciPy.

Notes
-----
For values of the order below one, the result is, strictly speaking, not a
mathematical norm, but it may still be useful [1]_ for various purposes::

    >>> hidden = 1

.. math:: ||A||_F = [\\sum]

.. note:: This method is much slower than you may think it is.

References
----------
.. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, Baltimore, 1985.

Examples
--------
The examples are never read, as the section is of code.

>>> norm(9)
9.0
"""


def test_a_docstring_becomes_its_sentences():
    assert prose_of(NUMPYDOC) == (
        "Matrix or vector norm, returned by this function as one of many possible norms, depending on the value of "
        "the order parameter.\n\n"
        "If no axis is given, the array must be flat or square.\n\n"
        "For values of the order below one, the result is, strictly speaking, not a mathematical norm, but it may "
        "still be useful for various purposes:\n\n"
        "This method is much slower than you may think it is."
    ).replace(
        "\n\nFor values of the order below one, the result is, strictly speaking, not a mathematical norm, but it may "
        "still be useful for various purposes:",
        "",
    )


def test_google_style_keeps_explanations_and_drops_names():
    doc = """Applies a transformation to the incoming data of this layer.

    Args:
        size (int): the number of features that each input sample of the layer has.
        bias: bool

    Shape:
        - Input: this is the shape of the input and it is not read.

    Examples::

        This is a sentence in a code block, and so it is not read.

    :param x: this is a field and it is not read.
    """
    assert prose_of(doc) == (
        "Applies a transformation to the incoming data of this layer.\n\n"
        "The number of features that each input sample of the layer has."
    )


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("This is a sentence with enough words in it.", True),
        ("this begins with a small letter and is not one.", False),
        ("It has no end and goes on and on", False),
        ("Set numpy.foo_bar to {value} in the config.", False),
        ("Too short.", False),
        ("Alpha beta gamma delta epsilon zeta.", False),
    ],
)
def test_what_counts_as_prose(sentence, expected):
    assert is_prose(sentence) is expected


def test_docstrings_are_parsed_and_never_run(tmp_path):
    (tmp_path / "trap.py").write_text(
        '"""This is the documentation of the trap, and it is long enough to be read."""\n'
        "import pathlib\n"
        f"pathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
        "class A:\n    '''A class which has some documentation that is of use to a reader.'''\n"
    )
    assert [name for name, _ in default.passages(tmp_path, Path("trap.py"))] == ["trap", "trap.A"]
    assert not (tmp_path / "sprung").exists()


def test_the_libraries_are_not_imported():
    code = (
        "import sys; from idiolect.corpus.sources import default; default.libraries();"
        "print(sorted({'torch', 'sympy', 'networkx'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_each_document_knows_its_library(prepared, monkeypatch):
    wanted = {"python": ["textwrap.py", "pydoc_data/topics.py"], "networkx": ["classes/graph.py"]}
    every = [lib for lib in default.libraries() if lib.name in wanted]
    monkeypatch.setattr(default, "libraries", lambda: every)
    monkeypatch.setattr(default, "modules_of", lambda lib: [Path(m) for m in wanted[lib.name]])
    monkeypatch.setattr("idiolect.corpus.gather.PARALLEL_BYTES", 1 << 40)
    audit, kept, _ = prepared(text=["default"], validation_fraction=0.2)
    documents = kept["train"] + kept["validation"]
    assert {(d.library, d.label, d.licence) for d in documents} == {
        ("python", "python", "PSF-2.0"),
        ("networkx", "networkx", "BSD-3-Clause"),
    }
    assert any(d.source.startswith("python/reference.") for d in documents)
    assert any(d.source == "networkx/classes.graph.Graph.add_edge" for d in documents)
    assert {x["library"] for x in audit["libraries"]} == set(wanted)
    assert all(d.language == "en" for d in documents)


@pytest.mark.slow
def test_the_whole_default_corpus(prepared):
    audit, kept, _ = prepared(text=["default"], validation_fraction=0.05, test_fraction=0.05)
    assert sum(s["bytes"] for s in audit["kept"].values()) > 3_500_000
    assert {x["source"] for x in audit["sources"]} >= {"python", "numpy", "torch"}
    text = "\n".join(d.text for d in kept["train"])
    for mark in (">>>", "::", "{", "\\", "----"):
        assert mark not in text
