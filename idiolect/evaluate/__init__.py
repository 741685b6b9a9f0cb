"""Weights in, verdicts out: what a model scores on text it never saw, how sure that is, and what it must beat.

Start at `score.py` (nats, bits per byte, perplexity, token accuracy), then `floors.py` (uniform, unigram and n-gram
figures of the same text) and `classification.py` (a fine-tuned classifier beside its baselines). `statistics.py`
and `metrics.py` are the arithmetic they share.
"""
