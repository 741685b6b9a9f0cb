"""Small encoder-decoders that between them use every option; shared by the tests of this room."""

from idiolect.models.config import Seq2SeqConfig, T5Config, t5_like, t5_v1_1_like

V = 37
SMALL = dict(context_length=24, n_layers=2, d_model=32)
T5_SMALL = SMALL | dict(n_heads=4, d_head=8, d_ff=48, dropout=0.0)
# Few, short ranges, so that a dozen positions fall into all of them.
RANGES = dict(n_buckets=8, max_distance=8)

SOURCE_VARIANTS = {
    "t5": t5_like(**T5_SMALL, **RANGES),
    "t5 v1.1": t5_v1_1_like(**T5_SMALL, **RANGES),
    "t5 default": T5Config(**SMALL, n_heads=4, n_decoder_layers=3),
    "t5 rotary": T5Config(**SMALL, n_heads=4, positions="rotary", qk_norm=True, attention_scale=0.0, mlp="relu2"),
    "t5 swiglu, wide heads": T5Config(**SMALL, n_heads=2, d_head=24, mlp="swiglu", tied_head=False, n_decoder_layers=1),
    "bahdanau": Seq2SeqConfig(**SMALL | dict(n_layers=1), cell="gru", attention="bahdanau", bias=False),
    "bahdanau, fed": Seq2SeqConfig(**SMALL, cell="gru", attention="bahdanau", feed_context=True),
    "luong dot": Seq2SeqConfig(**SMALL, attention="dot", tied_head=False),
    "luong general": Seq2SeqConfig(**SMALL, n_decoder_layers=1),
    "luong concat, fed": Seq2SeqConfig(**SMALL, attention="concat", feed_context=True),
    "luong, input fed": Seq2SeqConfig(**SMALL, input_feeding=True),
    "bahdanau, all fed": Seq2SeqConfig(
        **SMALL | dict(n_layers=1),
        n_decoder_layers=3,
        cell="gru",
        attention="bahdanau",
        feed_context=True,
        input_feeding=True,
    ),  # fmt: skip
}
