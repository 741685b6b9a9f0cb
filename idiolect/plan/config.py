"""What a plan may assume about this machine, its price, and the text."""

from idiolect.config import Config, field


class PlanConfig(Config):
    """Prices and shares the planner reckons with."""

    training_share: float = field(
        0.85, "of a time budget, the share that trains; the rest prepares and scores", gt=0, le=1
    )
    memory_share: float = field(0.8, "of the free memory, the most a plan may use", gt=0, le=1)
    price_per_hour: float = field(0.0, "what an hour of this machine costs; 0 = not known", ge=0)
    currency: str = field("usd", "in which money")
    context_length: int = field(0, "0 = chosen from the budget", ge=0, le=1 << 20)
    vocabulary_size: int = field(0, "0 = chosen from the size of the text", ge=0, le=1 << 20)
