"""A made-up but realistic audit of a corpus, with every figure that the page knows."""


def audit() -> dict:
    """All parts filled in."""
    drop = {"id": "9f0c", "source": "web/c4-sample.jsonl"}
    stay = {"id": "77aa", "source": "books/emma.txt", "text": "Emma Woodhouse, handsome, clever, and rich."}
    twins = {
        "dropped": drop | {"text": "The committee met on Tuesday in Bonn and adopted the new rules by a wide margin."},
        "kept": stay | {"text": "The committee met on Monday in Bonn, and adopted the new rules by a narrow margin."},
        "similarity": 0.871,
    }

    def fell(documents: int, n_bytes: int, *texts: str, of: dict | None = None, **more) -> dict:
        samples = [drop | {"text": text} | (of or {}) for text in texts]
        return {"documents": documents, "bytes": n_bytes, "samples": samples, **more}

    def lay(value: float, limit: float) -> dict:
        return {"value": value, "limit": limit}

    return {
        "read": {"files": 61, "documents": 24_118, "bytes": 81_200_312},
        "kept": {
            "train": {"documents": 14_480, "bytes": 41_680_000, "characters": 40_590_000},
            "validation": {"documents": 761, "bytes": 2_260_000, "characters": 2_155_000},
            "test": {"documents": 790, "bytes": 2_210_000, "characters": 2_148_000},
        },
        "kept_samples": [stay, stay | {"text": "Die Sonne stand schon tief, als sie das Dorf erreichten."}],
        "dropped": {
            "bad_row": fell(3, 120, '{"txet": 1}', of={"note": "row 7: no text"}, instead="A row is one or none."),
            "too_short": fell(
                1970, 60_100, "Read more", "Share this", "Next", of=lay(9, 200),
                measure={"what": "characters", "falls": "below"}, kept_samples=[stay | lay(201, 200)],
            ),
            "language_other": fell(880, 1_900_000, "Le chat est sur la table et la souris dessous."),
            "gopher_short_words": fell(412, 900_000, "a b c d e f g h i j k l m n o p"),
            "c4_few_sentences": fell(1544, 1_300_000, "Home About Contact Login"),
            "fineweb_newlines": fell(
                206, 240_000, "- one\n- two\n- three\n- four", of=lay(0.3004, 0.3),
                measure={"what": "line ends a word", "falls": "above"}, kept_samples=[stay | lay(0.2871, 0.3)],
            ),
            "low_quality": fell(690, 2_100_000, "CLICK HERE best price buy now free shipping!!!", kept_samples=[stay]),
            "contaminated": fell(17, 55_000, "A man is sitting on a roof. He starts pulling up roofing."),
            "duplicate": fell(1703, 6_120_440, pairs=[{"dropped": stay, "kept": stay}]),
            "near_duplicate": fell(662, 2_400_900, pairs=[twins]),
        },
        "cleaned": {"documents": 3112, "places": {"trailing_space": 10_860, "join_hyphens": 222}},
        "transformed": {
            "made": ["lowercase", "stem"],
            "left_as_they_are": [{"transform": "stem", "language": "ja", "documents": 12}],
        },
        "fetched": {"urls": 31, "refused_by_robots": 4},
        "decontamination": {
            "gsm8k.jsonl": {"items": 1319, "too_short": 19, "found": 13, "documents": 17},
            "piqa.jsonl": {"items": 1838, "too_short": 0, "found": 0, "documents": 0},
        },
        "near": {
            "bands": 14, "rows": 8, "min_similarity": 0.7,
            "found_of_similar": {"0.7": 0.282, "0.8": 0.92, "0.9": 1.0},
        },
        "cuts": {"paragraph": {"bytes": 181_111, "documents": 595}, "passage": {"bytes": 186_590, "documents": 212}},
        "pairs": {"contaminated": [{"dropped": stay, "kept": stay | {"text": "A question of the exam."}}]},
        "rules": {
            "gopher_short_words": {"failed": 512, "alone": 260},
            "c4_few_sentences": {"failed": 1650, "alone": 1204},
            "fineweb_newlines": {"failed": 340, "alone": 120},
            "gopher_hashes": {"failed": 0, "alone": 0},
        },
        "sources": [
            {"source": "books", "licence": "public domain", "documents": 3902, "bytes": 24_900_000},
            {"source": "web", "licence": "unknown", "documents": 9800, "bytes": 15_300_000},
            {"source": "wiki", "licence": "CC-BY-SA-4.0", "documents": 2329, "bytes": 5_950_000},
        ],
        "lengths": [{"characters_from": 65, "characters_to": 128, "documents": 400}],
        "encodings": {"utf-8": 57, "cp1252": 4},
        "skipped_files": [
            {"file": "broken.pdf", "reason": "no text: it is a scan"},
            {"file": "old.jsonl", "reason": "line 7: no text in it"},
        ],
        "n_skipped_files": 1,
        "n_skipped_rows": 1,
        "mixture": [
            {"source": name, "documents": n, "tokens": tokens, "weight": weight, "share": share,
             "drawn": round(tokens * epochs), "epochs": epochs}
            for name, n, tokens, weight, share, epochs in (
                ("books", 3902, 6_100_000, "0.5 to 0.8", 0.48, 1.6), ("web", 9800, 3_900_000, "by size", 0.31, 1.0),
                ("wiki", 2329, 1_400_000, "3 M tokens", 0.21, 2.4),
            )
        ],
        "clusters": {"sizes": [{"size": n, "clusters": 400 // n**2 + 1} for n in range(2, 12)]},
        "pii": {
            "mail": {"found": 214, "documents": 160, "action": "mask"},
            "phone": {"found": 61, "documents": 40, "action": "keep"},
            "ip": 12,
        },
        "quality": {
            "kind": "linear", "documents": 15_000, "mean": 0.71, "threshold": 0.35, "kept_share": 0.955, "auc": 0.971,
            "auc_low": 0.966, "auc_high": 0.976, "precision": 0.94, "recall": 0.92, "expected_calibration_error": 0.018,
            "histogram": [
                {"from": i / 20, "to": (i + 1) / 20, "documents": 40 + 3 * i * i + (300 if i > 15 else 0)}
                for i in range(20)
            ],
            "good_ngrams": [{"ngram": word, "weight": 1.0} for word in ("which had been", "in order to", "however")],
            "bad_ngrams": [{"ngram": word, "weight": -1.0} for word in ("click here", "buy now", "all rights")],
            "samples": [
                {"score": 0.03, "id": "s1", "source": "web/a", "example": "BUY NOW !!! best price"},
                {"score": 0.97, "id": "s2", "source": "books/b", "example": "It was a bright cold day in April."},
            ],
        },
        "perplexity": {
            "model": "Kneser-Ney of order 5", "documents": 15_000, "unit": "nats_per_byte",
            "threshold": {"": {"least": 0.2, "most": 1.9}},
            "percentiles": {"": {"10": 0.91, "50": 1.22, "90": 1.64}}, "samples": [],
            "dropped": {"surprising": 88, "predictable": 0},
            "histogram": [
                {"from": i / 10, "to": (i + 1) / 10, "documents": 900 - 5 * (i - 12) ** 2} for i in range(22)
            ],
        },
        "profile": profile(),
    }  # fmt: skip


def profile() -> dict:
    """The figures of profile.json."""
    words = "captain ship sea crew deck whale sail wind mate boat".split()
    shop = "click price shipping order free product review size store online".split()
    places = "rules committee council members vote budget law city state court".split()
    sample = [{"id": "b1", "source": "books/moby.txt", "example": "Call me Ishmael. Write to ahab@pequod.example.com."}]

    def topic(number: int, words: list, share: float, source: str) -> dict:
        return {
            "topic": number, "words": words, "documents": round(16_031 * share), "share": share,
            "bytes": round(46e6 * share), "languages": [["en", 0.98], ["de", 0.02]], "sources": [[source, 1.0]],
            "samples": sample,
        }  # fmt: skip

    def overlap(of: str, n: int, share: float, touched: int, documents: int) -> dict:
        worst = [
            {"id": "c1", "source": "books/emma.txt", "share": 0.2, "example": "This eBook is for the use of anyone"}
        ]
        return {
            "of": of, "within": "train", "n": n, "grams": 44_700, "shared": round(44_700 * share), "share": share,
            "documents": documents, "touched": touched, "touched_share": touched / documents,
            "worst": worst if share else [],
        }  # fmt: skip

    return {
        "version": 1,
        "shares": {
            "language": [
                {"name": "en", "documents": 13_500, "bytes": 37_900_000, "share": 0.821},
                {"name": "de", "documents": 2300, "bytes": 7_600_000, "share": 0.165},
                {"name": "", "documents": 231, "bytes": 650_000, "share": 0.014},
            ],
            "source": [], "licence": [], "label": [],
        },
        "lengths": {
            "mean": 2850.0,
            "percentiles": {"1": 120, "5": 380, "25": 1900, "50": 4000, "75": 5100, "95": 8000, "99": 12_000},
            "shortest": {"id": "a1", "source": "books/emma.txt", "characters": 6, "example": "Finis."},
            "longest": {"id": "a2", "source": "books/emma.txt", "characters": 20_113, "example": "CHAPTER I. Emma"},
            "bins": [
                {"from": 1 << b, "to": 2 << b, "documents": n, "characters": n << b}
                for b, n in zip(range(6, 15), (140, 420, 980, 2300, 4100, 4800, 2300, 800, 191), strict=True)
            ],
        },
        "vocabulary": {
            "words": 8_190_000, "distinct": 141_230, "error": 0.008, "once": 0.47, "type_token": 0.0453,
            "windowed_type_token": 0.44, "heaps": {"k": 31.2, "beta": 0.53},
            "growth": [
                {"words": n, "distinct": round(31.2 * n**0.53)}
                for n in (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 8_190_000)
            ],
        },
        "ngrams": [
            {"n": n, "total": 8_190_000, "distinct": round(8_190_000 * share), "distinct_share": share,
             "top": [{"ngram": gram, "count": count, "share": count / 8_190_000}]}
            for n, share, gram, count in (
                (1, 0.017, "the", 452_000), (2, 0.32, "of the", 61_000), (3, 0.67, "one of the", 4000),
                (4, 0.87, "at the end of", 900), (5, 0.95, "at the end of the", 600),
            )
        ],
        "compression": {"bytes": 46_150_000, "compressed": 16_400_000, "ratio": 2.81, "codec": "zstd -3"},
        "topics": {
            "documents": 16_031, "explained": 0.12,
            "clusters": [topic(0, words, 0.31, "books"), topic(1, shop, 0.27, "web"), topic(2, places, 0.2, "wiki")],
        },
        "overlap": [
            overlap("validation", 8, 0.0116, 391, 761), overlap("validation", 13, 0.0013, 44, 761),
            overlap("test", 13, 0.0011, 41, 790), overlap("evaluation: hellaswag", 13, 0.0, 0, 10_042),
        ],
        "repetition": {"n": 13, "grams": 8_060_000, "distinct": 7_980_000, "repeated_share": 0.0099},
        "unique": {
            "documents": 14_480, "bytes": 41_680_000, "words": 7_390_000, "tokens": 10_420_000, "bytes_per_token": 4.0,
            "assumed": True, "of_distinct_passages": {"bytes": 41_267_000, "tokens": 10_317_000},
            "removed": {"duplicate": {"documents": 1703, "bytes": 6_120_440}},
        },
        "feeds": {
            "parameters": 1_910_000, "tokens_per_parameter": 20, "unique_tokens": 10_317_000,
            "epochs": [
                {"epochs": n, "seen_tokens": 10_317_000 * n, "worth_tokens": round(10_317_000 * worth),
                 "parameters": round(10_317_000 * worth / 20)}
                for n, worth in ((1, 1), (2, 1.95), (4, 3.7), (8, 6.6), (16, 10.3), (40, 14.9))
            ],
            "sentence": "10.3 M unique tokens, read 4 times, feed a model of about 1.9 M parameters; a larger one "
            "would learn it by heart.",
        },
        "pii": {}, "quality": None, "perplexity": None,
    }  # fmt: skip
