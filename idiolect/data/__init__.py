"""Token shards to batches: which tokens are read when, what is predicted from them, and what counts.

Start at `batch.py` (what a model is given), then `windows.py` (which tokens), `objectives.py` (which targets: nothing
else decides that), `loader.py` (ahead of the training loop, resumable from one integer).
"""
