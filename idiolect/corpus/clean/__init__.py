"""One document's text made clean, in steps that each have their own switch.

    text.py (characters) → lines.py (white space, boilerplate, pages) → pii.py (what names or harms a person)
    transforms.py (small letters, stems ...) comes last of all, when the document's side of the split is decided

Start at `text.py`.
"""
