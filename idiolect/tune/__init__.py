"""A space of settings and a number of trials -> the best recipe found, and every trial on record.

Start at `search.search`; `config.TuneConfig` says what a search may be asked, `space` turns its axes into points.
The search knows nothing of training: it is handed `trial(overrides) -> score`.
"""
