"""Text to token ids and back, and token ids to shards on disk.

Start at `build.py` (a tokenizer from text), then `encode.py` (what every tokenizer can do), then `shards.py`
(documents as memory-mapped token files). Skip `engines.py` and `words.py` the first time: they only make encoding
fast, and tests/tokenizer/test_engines.py proves they change nothing.
"""
