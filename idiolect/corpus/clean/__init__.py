"""One document's text made clean, in steps that each have their own switch.

Start at `text.py` (characters).
"""
