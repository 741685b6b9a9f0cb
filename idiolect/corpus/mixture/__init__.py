"""Several sources of text in one corpus: their settings, and how often each is to be read.

Each source is a corpus of its own with the recipe's settings and what its table changes (`settings.py`); the first part
of a document's `source` is the name of its table. What the trainer makes of weights is in `data/mixture.py`.
"""
