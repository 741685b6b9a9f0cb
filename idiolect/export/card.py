"""The model card: what a stranger should know before using the model, as Markdown from a dict of facts.

What isn't known is a dash, never a guess, and what wasn't measured is said to be so.
"""

import json
import re
from typing import Any


def card(facts: dict[str, Any]) -> str:
    """README.md of an exported model.

    Keys, all optional: name, licence, languages, architecture, parameters, context_length, vocabulary_size, tokenizer;
    sources [{source, licence, documents, bytes}]; scores {name: {value, low, high, n}}; limits [sentence];
    cost {name: value}; check (figures of the export); lineage {name: value}.
    """
    name = _plain(facts.get("name") or "A language model")
    parts = [
        _front_matter(facts),
        f"# {name}\n\nA language model trained from scratch with Idiolect. It continues text; it was not taught to "
        "follow instructions or to tell the truth.",
        _use(facts),
        _section("Size", _table(["", ""], _sizes(facts))),
        _section("Trained on", _data(facts.get("sources") or [])),
        _section("Scores", _scores(facts.get("scores") or {})),
        _section("Limits", _limits(facts.get("limits") or [])),
        _section("Cost", _pairs(facts.get("cost") or {})),
        _section("Checked on export", _check(facts.get("check") or {})),
        _section("Lineage", _pairs(facts.get("lineage") or {})),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: dict) -> str:
    lines = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["idiolect"]}
    lines |= {"license": facts["licence"]} if facts.get("licence") else {}
    lines |= {"language": facts["languages"]} if facts.get("languages") else {}
    # JSON is YAML: nothing in a name can break out of its quotes.
    body = "\n".join(f"{key}: {json.dumps(value)}" for key, value in lines.items())
    return f"---\n{body}\n---"


def _use(facts: dict) -> str:
    return _section(
        "Use",
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained("THIS_FOLDER")\n'
        'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")\n'
        'ids = tokenizer("Once upon a time", return_tensors="pt")\n'
        "print(tokenizer.decode(model.generate(**ids, max_new_tokens=64)[0]))\n```\n\n"
        f"It reads at most {_number(facts.get('context_length'))} tokens. Special tokens spelled out in a text are "
        "that text: `split_special_tokens=False` turns them into the tokens themselves.",
    )


def _sizes(facts: dict) -> list[list[str]]:
    return [
        ["architecture", _cell(facts.get("architecture"))],
        ["parameters", _number(facts.get("parameters"))],
        ["context", _number(facts.get("context_length"), " tokens")],
        ["vocabulary", f"{_number(facts.get('vocabulary_size'))} ({_cell(facts.get('tokenizer'))})"],
    ]


def _data(sources: list[dict]) -> str:
    if not sources:
        return "-"
    rows = [
        [_cell(s.get("source")), _cell(s.get("licence")), _number(s.get("documents")), _number(s.get("bytes"))]
        for s in sources
    ]
    return _table(["source", "licence", "documents", "bytes"], rows)


def _scores(scores: dict[str, Any]) -> str:
    if not scores:
        return "None were measured."
    rows = [[_cell(name), _number(s.get("value")), _interval(s), _number(s.get("n"))] for name, s in scores.items()]
    return _table(["score", "value", "95 % interval", "n"], rows)


def _interval(score: dict) -> str:
    return f"{_number(score.get('low'))} to {_number(score.get('high'))}"


def _limits(limits: list[str]) -> str:
    always = [
        "It repeats what its text held, errors and prejudices included, and may repeat passages of it word for word.",
        "It was measured on held-out text of the same sources only; elsewhere it will be worse.",
    ]
    return "\n".join(f"- {_plain(limit)}" for limit in [*limits, *always])


def _check(check: dict) -> str:
    if not check:
        return "Not compared with the model it came from."
    same, n = check.get("n_same_argmax"), check.get("n_positions")
    return (
        "Loaded by stock `transformers` and compared with the model it came from, in float32: logits differ by at "
        f"most {_number(check.get('max_logit_difference'))} over {_number(n)} positions, the likeliest token is the "
        f"same at {_number(same)} of them, and {_number(check.get('n_texts'))} texts "
        f"({_number(check.get('n_tokens'))} tokens) have the same ids."
    )


def _pairs(values: dict[str, Any]) -> str:
    if not values:
        return "-"
    rows = [[_cell(k), _number(v) if isinstance(v, (int, float)) else _cell(v)] for k, v in values.items()]
    return _table(["", ""], rows)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: Any, unit: str = "") -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return (f"{value:,}" if isinstance(value, int) else f"{value:.4g}") + unit


def _cell(value: Any) -> str:
    return "-" if value in (None, "") else _plain(value)


def _plain(value: Any) -> str:
    """Text that stays text: one line, and no character that Markdown or HTML would act upon."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", " ".join(str(value).split()))
