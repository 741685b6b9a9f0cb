"""Batches and a model in, weights out: one loop for pre-training and fine-tuning.

Start at `loop.train`, then `step.take_step`, then `loss.lm_loss`. What is saved and found again: `checkpoint`.
What happens on a loss that is not finite: `guard`; on a signal: `signals`. Skip `resume` the first time.
"""
