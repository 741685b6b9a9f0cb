"""Idiolect trains language models from scratch: you bring the text; it learns to speak it.

The folders stand in the order of the journey, and each imports only what stands left of it:

    corpus | tokenizer | data | models | tasks | optim | train | evaluate | plan | tune | generate | serve
    | export | report | recipe | journey | python | cli

Start at `journey.py`: one short function a verb, and the only place where the stages are joined. `python.py` has the
same verbs for use from Python: `from idiolect.python import run, compare`.
"""

__version__ = "0.1.0"
