"""What a pre-trained model is taught to do: examples become batches, and hidden states become an answer.

Start at `classification.py`; `labelled.py` reads the examples. The training loop is the same as for pre-training: a
task gives it a source of batches and a loss. Scores and baselines live in evaluate/.
"""
