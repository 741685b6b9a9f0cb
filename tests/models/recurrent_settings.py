"""Small recurrent configs that between them use every option, and models whose parameters are all open."""

from idiolect.models.config import GRUConfig, LSTMConfig, RNNConfig
from tests.models.toys import build_open

V = 37
SMALL = dict(context_length=12, d_model=16, embedding_range=0.5, embedding_scale=1.0, init_range=0.4)

RECURRENT = {
    "lstm": LSTMConfig(**SMALL),
    "lstm wide": LSTMConfig(**SMALL, d_hidden=24, n_layers=3, tied_head=False),
    "lstm one layer": LSTMConfig(**SMALL, d_hidden=24, n_layers=1, hidden_init="orthogonal", bias=False),
    "gru": GRUConfig(**SMALL),
    "gru orthogonal": GRUConfig(**SMALL, d_hidden=8, hidden_init="orthogonal", tied_head=False),
    "gru no bias": GRUConfig(**SMALL, bias=False),
    "rnn": RNNConfig(**SMALL),
    "rnn relu": RNNConfig(**SMALL, activation="relu", hidden_init="identity", n_layers=1),
    "rnn no bias": RNNConfig(**SMALL, bias=False, hidden_init="uniform"),
}
AWD = dict(input_dropout=0.4, hidden_dropout=0.25, output_dropout=0.4, word_dropout=0.1, weight_dropout=0.5)


def build_recurrent(name: str, **changes):
    return build_open(RECURRENT[name].model_copy(update=changes), V)
