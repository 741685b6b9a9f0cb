"""The stages a verb walks through: what each reads, the fingerprint that names its output, and where that lies.

    prepared.py   corpus -> tokenizer -> shards -> floors   in runs/prepared/, shared by every run
    training.py   shards -> weights                         in runs/<name>/
    verdicts.py   weights -> scores, samples, report        in runs/<name>/
    finetuning.py weights -> a task's model                 in runs/<name>-<task>/
    planning.py   text and budget -> a recipe

Start at `job.py`: a Job is one recipe being carried out. The verbs in `journey.py` join these; nothing else does.
"""
