"""What is there twice: documents, near duplicates, lines, paragraphs, long passages; and evaluation sets' leaks.

Start at `features.py` (what a worker measures), then `decide.py` (the one step that sees all documents) and
`cuts.py` (what is taken out of a text).
"""
