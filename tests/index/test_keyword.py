"""Words of texts, BM25 by its formula, conditions, and fusion by ranks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from index_battery import units

from sensemble.errors import ConfigError
from sensemble.index.base import INDEXES, Index
from sensemble.index.keyword import Keywords, fuse, hybrid, words

TEXTS = {
    "bus": "A red bus in the rain.",
    "car": "A red car, a RED car!",
    "cat": "A black cat",
    "车": "一辆红色的公共汽车",
    "猫": "一只黑猫在睡觉",
}


@pytest.fixture
def index(tmp_path: Path) -> Index:
    made = INDEXES.create("exact", str(tmp_path), "a", 8)
    cells = [{"text": text, "odd": place % 2 == 1} for place, text in enumerate(TEXTS.values())]
    made.add(list(TEXTS), units(5), cells)
    made.add(["no text"], units(1, seed=9), [{"odd": True}])
    return made


def test_words_of_all_kinds() -> None:
    assert words("A Red  bus!") == ["a", "red", "bus"]
    assert words("iPhone手机壳 5G") == ["iphone", "手机", "机壳", "5g"]
    assert words("猫 カエル ...") == ["猫", "カエ", "エル"]
    assert words("") == words("?!") == []


def test_what_shares_most_comes_first(index: Index) -> None:
    keywords = Keywords(index, "text")
    assert keywords.search("red car", k=9) == ["car", "bus"]
    assert keywords.search("红色汽车", k=9) == ["车"]
    assert keywords.search("睡觉的黑猫", k=9) == ["猫"]
    assert keywords.search("黑", k=9) == [], "a single letter is no pair of letters"
    assert keywords.search("nothing known", k=9) == keywords.search("...", k=9) == []
    assert keywords.search("red", k=1) == ["car"]
    assert keywords.search("a", k=9, where={"odd": True}) == ["car"]


def test_scores_are_those_of_bm25(index: Index) -> None:
    """Against the formula as Lucene has it, computed here word by word."""
    keywords = Keywords(index, "text")
    tokens = [words(text) for _, text in sorted(TEXTS.items())]
    mean = sum(map(len, tokens)) / len(tokens)
    scores = []
    for own in tokens:
        score = 0.0
        for word in ("red", "a", "cat"):
            frequency = sum(word in other for other in tokens)
            weight = math.log(1 + (len(tokens) - frequency + 0.5) / (frequency + 0.5))
            times = own.count(word)
            score += weight * times / (times + 1.2 * (1 - 0.75 + 0.75 * len(own) / mean))
        scores.append(score)
    expected = [sorted(TEXTS)[place] for place in np.argsort([-score for score in scores]) if scores[place] > 0]
    assert keywords.search("red a cat", k=9) == expected
    known = [keywords._places[word] for word in ("red", "a", "cat")]
    assert np.allclose(keywords._scorer.get_scores_from_ids(known), scores, rtol=1e-4)


def test_fusion_by_ranks() -> None:
    scores = fuse(["a", "b", "c"], ["c", "a"])
    assert scores == {"a": 1 / 61 + 1 / 62, "b": 1 / 62, "c": 1 / 63 + 1 / 61}


def test_hybrid_finds_what_either_finds(index: Index) -> None:
    keywords = Keywords(index, "text")
    query = units(5)[2:3]  # that of "cat"
    hits = hybrid(index, keywords, query, "公共汽车", k=2)
    assert {hit.id for hit in hits} == {"cat", "车"}
    assert hits[0].score >= hits[1].score and hits[0].columns["text"] in TEXTS.values()
    assert [hit.id for hit in hybrid(index, keywords, query, "red car", k=1)] == ["car"], "both find it"
    assert {hit.id for hit in hybrid(index, keywords, query, "red", k=9, where={"odd": True})} == {
        "car",
        "车",
        "no text",
    }
    with pytest.raises(ConfigError, match="no entry of the index has a text in the column 'odd'"):
        Keywords(index, "odd")
