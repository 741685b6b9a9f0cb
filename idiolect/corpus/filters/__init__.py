"""Which documents are worth learning from: one module a rule set, and `judge.py`, which holds them all to a text.

A filter never changes a text (C4's line rules do, and say so) and never decides alone: it names every rule that a text
fails, so that each rule's effect is counted by itself, among the others, and together with them. Start at `judge.py`;
`tokens.py` is what makes it fast.
"""
