"""Defects planted in novels, and what the whole corpus stage finds of them (benchmarks/planted.py has the figures)."""

from benchmarks.planted import measure


def test_planted_defects_are_found_and_clean_text_stays(tmp_path, shared):
    found = measure(shared("books"), tmp_path, n=15)
    for defect in ("duplicate", "near_duplicate", "leak", "language", "lorem_ipsum", "repetition", "list"):
        assert found[defect]["n"] >= 5 and found[defect]["recall"] >= 0.9, (defect, found[defect])
    for defect in ("leak", "language", "lorem_ipsum", "repetition"):
        assert found[defect]["precision"] >= 0.9, (defect, found[defect])
    for defect in ("mojibake", "pii", "boilerplate"):
        assert found[defect]["n"] >= 5 and found[defect]["recall"] >= 0.9, (defect, found[defect])
    # What is left of clean text is left as it was; the web's rules cost novels a share of their passages, no more.
    assert found["clean unchanged"]["recall"] == 1.0
    assert found["clean kept"]["recall"] >= 0.8, found["clean kept"]
