"""How long to train, how much a step learns from, and how often to look, save and speak."""

from idiolect.config import Config, field


class LossConfig(Config):
    """What is added to, or mixed into, the plain cross-entropy that is minimised; what is reported stays plain."""

    label_smoothing: float = field(
        0.0, "share of each target's probability spread over the whole vocabulary (Szegedy 2016)", ge=0, lt=1
    )
    z_loss: float = field(
        0.0, "pull on the logarithm of the softmax's sum, squared; PaLM: 1e-4 (arXiv 2204.02311)", ge=0, le=1
    )
    teacher: str = field("", "the folder of a run whose model this one learns from too (arXiv 1503.02531)")
    teacher_weight: float = field(0.5, "share of the loss that is the distance from the teacher", gt=0, le=1)
    teacher_temperature: float = field(2.0, "what both models' logits are divided by to compare them", ge=0.1, le=100)


class TrainConfig(Config):
    """The training loop's settings."""

    steps: int = field(1000, "updates of the optimiser", gt=0, le=100_000_000)
    batch_tokens: int = field(8192, "tokens one update learns from, over all micro-batches and ranks", gt=0, le=2**31)
    micro_batch_tokens: int = field(
        0, "tokens that go through the model at once; 0 = the whole batch; less needs less memory", ge=0, le=2**31
    )
    carry_state: bool = field(
        True, "models with a state (rnn, lstm, gru, mamba2) read on where the window before ended; false: from nothing"
    )
    carry_windows: int = field(
        64, "windows after which a carried state begins anew, the rows in turn; 0 = each epoch only", ge=0, le=2**31
    )
    log_every_steps: int = field(10, "a line of metrics.jsonl every so many steps", gt=0)
    eval_every_steps: int = field(100, "score the validation split every so many steps; 0 = only at the end", ge=0)
    save_every_steps: int = field(
        0, "save a checkpoint every so many steps, besides before each evaluation; 0 = only then", ge=0
    )
    keep: int = field(2, "newest checkpoints that stay; the best one always does", gt=0, le=1000)
    patience: int = field(0, "stop after so many evaluations in a row without improvement; 0 = never", ge=0)
    min_improvement: float = field(0.0, "what counts as an improvement of the validation score", ge=0)
    budget_seconds: float = field(
        0.0, "most seconds of training; the schedule is fitted to it after the first steps; 0 = no limit", ge=0
    )
    tensorboard: bool = field(False, "write TensorBoard files too (needs the extra of that name)")
    loss: LossConfig = field(LossConfig(), "what is minimised besides the cross-entropy")
