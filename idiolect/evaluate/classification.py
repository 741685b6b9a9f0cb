"""A fine-tuned classifier's scores, beside what needs no neural network: the commonest label, and TF-IDF words.

Start at `evaluate_classifier`. The baselines see the same training examples and answer the same test examples, so
every comparison is paired, and "no difference at this n" is a verdict.
"""

from __future__ import annotations

import numpy as np

from idiolect.errors import MissingExtra
from idiolect.evaluate.metrics import classification_scores, macro_f1, paired_differences
from idiolect.evaluate.metrics import confusion as confusion_table
from idiolect.evaluate.statistics import verdict
from idiolect.tasks.classification import Classifier, encode, logits_of
from idiolect.tasks.labelled import Splits

BASELINES = {"majority": "the commonest label", "tf_idf": "TF-IDF and logistic regression"}
# Inverse strengths of the logistic regression's penalty that are tried; the best on the validation split is kept.
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
# Words and single punctuation marks: scikit-learn's own pattern drops "!" and "n't", which carry sentiment.
WORDS = r"(?u)\w+|[^\w\s]"


def evaluate_classifier(
    classifier: Classifier, tokenizer, splits: Splits, *, max_tokens: int = 0, device=None, seed: int = 0
) -> dict:
    """`scores` of the classifier on the test examples, the `baselines`' scores, and a `verdict` for each pair.

    Raises MissingExtra when scikit-learn, which the TF-IDF baseline needs, is not installed.
    """
    encoded = encode(tokenizer, splits.test.texts, max_tokens or classifier.context_length)
    answers_N = logits_of(classifier, encoded, tokenizer.pad_id, device=device).argmax(1)
    answers = baseline_answers(splits)
    result = compare(answers_N, answers, splits, seed=seed)
    result["about"] |= {"n_truncated": encoded.n_truncated, "max_tokens": max_tokens or classifier.context_length}
    return result


def compare(answers_N, baselines: dict[str, np.ndarray], splits: Splits, *, seed: int = 0) -> dict:
    """Scores of answers to the test examples beside the baselines' answers, with paired verdicts."""
    labels_N, names = splits.test.labels_N, splits.names
    differences = {
        name: paired_differences(labels_N, answers_N, theirs_N, len(names), seed=seed)
        for name, theirs_N in baselines.items()
    }
    scores = classification_scores(labels_N, answers_N, names, seed=seed)
    return {
        "scores": {key: scores.pop(key) for key in ("accuracy", "macro_f1")},
        "baselines": {
            name: {key: value for key, value in classification_scores(labels_N, theirs_N, names, seed=seed).items()
                   if key in ("accuracy", "macro_f1")}
            for name, theirs_N in baselines.items()
        },
        # Not under "value": a difference is no score, and must not be listed as one.
        "differences": {
            name: {metric: {"ours_minus_theirs": d["value"], "low": d["low"], "high": d["high"], "n": d["n"]}
                   for metric, d in pair.items()}
            for name, pair in differences.items()
        },
        "verdicts": {
            name: {metric: verdict(difference, BASELINES.get(name, name)) for metric, difference in pair.items()}
            for name, pair in differences.items()
        },
        **scores,
        "about": splits.report | {
            "names": list(names),
            "method": "95 % intervals: Wilson for accuracy, bootstrap for macro-F1 and for paired differences",
        },
    }  # fmt: skip


def baseline_answers(splits: Splits) -> dict[str, np.ndarray]:
    """What each baseline answers to the test examples."""
    commonest = np.bincount(splits.train.labels_N).argmax()
    return {"majority": np.full(len(splits.test), commonest), "tf_idf": tf_idf_answers(splits)}


def tf_idf_answers(splits: Splits) -> np.ndarray:
    """Logistic regression on TF-IDF weights of words and word pairs; its strength is picked on the validation split."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtra("evaluate", needs="scikit-learn") from None
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORDS)
    train, validation, test = (
        (vectorizer.fit_transform if split is splits.train else vectorizer.transform)(split.texts)
        for split in (splits.train, splits.validation, splits.test)
    )
    best, answers_N = -1.0, None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=2000).fit(train, splits.train.labels_N)
        found = macro_f1(confusion_table(splits.validation.labels_N, model.predict(validation), len(splits.names)))
        if found > best:
            best, answers_N = found, model.predict(test)
    return answers_N


def validation_numbers(classifier: Classifier, encoded, labels_N, pad_id: int, *, device=None) -> dict[str, float]:
    """What a probe reports during training: the validation examples' mean nats, accuracy and macro-F1."""
    logits_NC = logits_of(classifier, encoded, pad_id, device=device).astype(np.float64)
    shifted_NC = logits_NC - logits_NC.max(1, keepdims=True)
    log_sum_N = np.log(np.exp(shifted_NC).sum(1))
    table_CC = confusion_table(labels_N, logits_NC.argmax(1), logits_NC.shape[1])
    return {
        "validation_nats": float((log_sum_N - shifted_NC[np.arange(len(labels_N)), labels_N]).mean()),
        "validation_accuracy": float(np.trace(table_CC) / table_CC.sum()),
        "validation_macro_f1": float(macro_f1(table_CC)),
    }
