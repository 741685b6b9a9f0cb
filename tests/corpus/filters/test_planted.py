"""Defects planted among real articles: how many each rule set finds, and how many good articles it takes along."""

import gzip
import json
import random
from pathlib import Path

import pytest

from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig
from idiolect.corpus.filters.judge import Judge

LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore. "
EACH = 40


def lorem_ipsum(rng, article):
    return article[: len(article) // 2] + "\n" + LOREM * rng.randint(1, 9) + "\n" + article[len(article) // 2 :]


def keyword_spam(rng, article):
    some = rng.sample(sorted(set(article.split())), 6)
    return " ".join(rng.choice(some) for _ in range(rng.randint(150, 400)))


def repeated_lines(rng, article):
    lines = [line for line in article.split("\n") if line]
    return "\n".join(lines + lines[:3] * rng.randint(3, 8))


def code(rng, article):
    names = rng.sample([word.lower() for word in article.split() if word.isalpha()], 8)
    body = "\n".join(f"    if ({rng.choice(names)}[{i}] > 0) {{ {rng.choice(names)} += {i}; }}" for i in range(40))
    return f"function {names[0]}({names[1]}) {{\n{body}\n}}"


def numbers(rng, article):
    return "\n".join("\t".join(f"{rng.uniform(0, 999):.2f}" for _ in range(8)) for _ in range(60))


def links(rng, article):
    words = [word for word in article.split() if word.isalpha()]
    return "\n".join(f"- {rng.choice(words).title()} {rng.choice(words).title()}" for _ in range(80))


def menu(rng, article):
    words = [word.title() for word in article.split() if word.isalpha()]
    return "\n".join(rng.choice(words) for _ in range(90))


PLANTED = {kind.__name__: kind for kind in (lorem_ipsum, keyword_spam, repeated_lines, code, numbers, links, menu)}
# What each rule set is for, and the least share of it that it must find.
FINDS = {
    "gopher": {"keyword_spam": 0.95, "numbers": 1, "links": 1, "menu": 0.95, "code": 1},
    "c4": {"lorem_ipsum": 1, "code": 1, "numbers": 1, "links": 1, "menu": 1},
    "fineweb": {"repeated_lines": 1, "links": 1, "menu": 1, "numbers": 1},
}
CONFIGS = {
    "gopher": FilterConfig(gopher=GopherConfig(use=True)),
    "c4": FilterConfig(c4=C4Config(use=True)),
    "fineweb": FilterConfig(fineweb=FineWebConfig(use=True)),
    "all": FilterConfig(gopher=GopherConfig(use=True), c4=C4Config(use=True), fineweb=FineWebConfig(use=True)),
}


@pytest.fixture(scope="module")
def articles():
    path = Path(__file__).parents[4] / "shared" / "data" / "bbc-news" / "bbc.jsonl.gz"
    if not path.exists():
        pytest.skip("shared/data/bbc-news is not here")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file][::11][:200]


def share_dropped(config, texts):
    judge = Judge(config)
    edited, _ = judge.edit(texts)
    return sum(map(bool, judge.failed(edited, ["en"] * len(texts)))) / len(texts)


@pytest.mark.parametrize("rules", FINDS)
def test_each_rule_set_finds_what_it_is_for(articles, rules):
    rng = random.Random(0)
    found = {
        kind: share_dropped(CONFIGS[rules], [make(rng, a) for a in articles[:EACH]]) for kind, make in PLANTED.items()
    }
    assert {kind: found[kind] for kind, least in FINDS[rules].items() if found[kind] < least} == {}, found


def test_together_they_find_all_and_leave_articles_alone(articles):
    rng = random.Random(1)
    for kind, make in PLANTED.items():
        assert share_dropped(CONFIGS["all"], [make(rng, a) for a in articles[:EACH]]) > 0.95, kind
    # One rule does this: articles full of figures have fewer than 80 % of words with a letter in them.
    assert share_dropped(CONFIGS["gopher"], articles) < 0.12
    assert share_dropped(CONFIGS["c4"], articles) < 0.02
    assert share_dropped(CONFIGS["fineweb"], articles) < 0.02
