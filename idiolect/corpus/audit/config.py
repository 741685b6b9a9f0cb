"""How closely a prepared corpus is looked at for its audit page."""

from idiolect.config import Config, field


class AuditConfig(Config):
    """The figures of the audit page; none changes a document."""

    profile: bool = field(True, "count words, n-grams, topics and overlaps once the corpus stands")
    sample_bytes: int = field(
        16_000_000,
        "text that words, n-grams, topics and overlaps are counted in; a corpus beyond it is sampled",
        ge=1000,
        le=2**40,
    )
    topics: int = field(12, "clusters that documents are sorted into; 0 finds none", ge=0, le=100)
    topic_documents: int = field(2000, "documents that topics are found in, at most", ge=10, le=10_000_000)
    bytes_per_token: float = field(4.0, "assumed where no tokenizer has been built yet", gt=0)
    seed: int = field(0, "decides which documents are sampled, and where topics start", ge=0)
