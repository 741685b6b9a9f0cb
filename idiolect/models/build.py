"""A config becomes an initialised model."""

from torch import nn

from idiolect.config import Config
from idiolect.models import family


def build_model(config: Config, vocabulary_size: int, seed: int) -> nn.Module:
    """A model of the config's family, drawn from `seed` alone: the global random state is neither read nor moved."""
    model = family(config.kind).load()(config, vocabulary_size)
    model.initialise(seed)
    return model
