"""What each family is made of, as frozen values; torch-free, so that a recipe can be checked without loading torch.

One file a family. Besides its settings, a family's config says, as class variables and methods:

    reads                              "left", "both" or "source": see contract.py
    context_length                     the most positions the model reads (a setting, or derived)
    count_parameters(V) -> dict        learned numbers by part: held against the module by a test
    count_flops(V, T) -> dict          operations of the forward pass per token, by part
"""

from idiolect.models.config.bert import BertConfig, bert_like, modernbert_like
from idiolect.models.config.convolutional import CNNConfig
from idiolect.models.config.gpt import GPTConfig
from idiolect.models.config.gpt_presets import gpt2_like, llama_like
from idiolect.models.config.linear_recurrent import Mamba2Config
from idiolect.models.config.ngram import NGramConfig
from idiolect.models.config.ngram_orders import table_rows
from idiolect.models.config.recurrent import GRUConfig, LSTMConfig, RNNConfig
from idiolect.models.config.seq2seq import Seq2SeqConfig
from idiolect.models.config.t5 import T5Config, t5_like, t5_v1_1_like

__all__ = [
    "BertConfig",
    "CNNConfig",
    "GPTConfig",
    "GRUConfig",
    "LSTMConfig",
    "Mamba2Config",
    "NGramConfig",
    "Seq2SeqConfig",
    "T5Config",
    "RNNConfig",
    "bert_like",
    "gpt2_like",
    "llama_like",
    "modernbert_like",
    "t5_like",
    "t5_v1_1_like",
    "table_rows",
]
