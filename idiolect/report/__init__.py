"""What a run left behind, as one page: a dict of its numbers and texts -> one self-contained HTML file.

Start at `page.write`, then open `sections/`: one file a section, in the order of the journey. `markup` is the only
place where text becomes HTML (it escapes everything), `figures` writes numbers as people read them, `charts` draws.
"""
