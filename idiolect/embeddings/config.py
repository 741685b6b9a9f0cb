"""What a recipe may ask of the token embedding's start."""

from typing import Literal

from idiolect.config import Config, Items, field

Step = Literal["lower_case", "title_case", "digits_as_hashes", "nfkc"]


class SkipGramConfig(Config):
    """Word vectors from the user's own text: skip-gram with negative sampling (arXiv 1310.4546)."""

    window: int = field(5, "a token is to predict others at most so far from it, at a random distance", ge=1, le=1000)
    negative: int = field(5, "tokens drawn at random that must be told from each true neighbour", ge=1, le=1000)
    epochs: int = field(5, "how often the text is read", ge=1, le=100_000)
    min_count: int = field(5, "a token must occur this often to get a vector", ge=1, le=2**31)
    learning_rate: float = field(0.025, "falls to nothing over all epochs", gt=0, le=10)
    sample: float = field(1e-3, "tokens more frequent than this are skipped at times; 0: never", ge=0, le=1)
    seed: int = field(0, "of the first vectors and the negative samples", ge=0, lt=2**32)
    workers: int = field(1, "threads; with more than one, no two runs give the same vectors", ge=1, le=1024)


class EmbeddingsConfig(Config):
    """Where the token embedding starts."""

    source: str = field(
        "random", 'random, corpus (vectors trained on your own text), or a file or Hugging Face folder: "./corpus" too'
    )
    format: Literal["auto", "word2vec_text", "word2vec_binary", "glove", "fasttext", "huggingface"] = field(
        "auto", "of the file; auto looks at its first bytes"
    )
    match: Items[Step] = field(("lower_case",), "other spellings to try, in this order, for a token that isn't found")
    least_coverage: float = field(
        0.5, "refuse when a smaller share of the vocabulary (corpus: of the text) has one", ge=0, le=1
    )
    width: Literal["refuse", "project"] = field(
        "refuse", "vectors as wide as the model only; or principal components where wider, zeros where narrower"
    )
    centre: bool = field(True, "subtract the vectors' mean: what all tokens share tells none from another")
    scale: Literal["model", "as_is"] = field("model", "to the size of the model's own random start, or not at all")
    frozen_steps: int = field(
        0, "steps in which the embedding (a tied head too) stays as it is; train.steps or more: always", ge=0, le=10**9
    )
    skip_gram: SkipGramConfig = field(SkipGramConfig(), "source = corpus: how the vectors are trained")
