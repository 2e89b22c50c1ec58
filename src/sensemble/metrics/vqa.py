"""VQA accuracy: an answer is right as far as people gave it too, after both are brought to one spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .base import Metric, quotient
from .corpus import References, several

AGREEING = 3
"""So many people must have given an answer for it to be wholly right."""

_NUMBERS = dict(
    zip(
        ["none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
        [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        strict=True,
    )
)
_ARTICLES = {"a", "an", "the"}
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_STOP = re.compile(r"\.(?!\d)")
_THOUSANDS = re.compile(r"\d,\d")
# Spelt as they should be; spellings that lack apostrophes are mended, unless that makes a word: `its`, `were`, `lets`.
_CONTRACTIONS = """
    ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't mustn't needn't oughtn't
    shan't shouldn't wasn't weren't won't wouldn't could've might've must've should've would've not've couldn't've
    hadn't've mightn't've shouldn't've wouldn't've i'm i've i'd've he'd he's he'd've she's she'd've it'd it'll it'd've
    that's there'd there's there're there'd've they'd they'll they're they've they'd've we've we'd've you'd you'll
    you're you've you'd've how'd how'll how's what'll what're what's what've when's where'd where's where've who'd
    who'll who's who've who'd've why'll why're why's ma'am o'clock 'twas y'all y'all'll y'all'd've somebody'd
    somebody'll somebody's somebody'd've someone'd someone'll someone's someone'd've something'd something'll
    something'd've
"""
_MENDED = {word.replace("'", ""): word for word in _CONTRACTIONS.split()}


def vqa_accuracy(answers: Sequence[str], references: References) -> Metric:
    """The share of people who agree: for each of the people, min(others who gave the answer / 3, 1); their mean.

    With ten answers a question, as VQA has them, an answer that one person gave scores .3, two .6, three .9, four
    or more 1 (Antol et al. 2015; Goyal et al. 2017). With fewer, as many as there are others take the place of
    three, so that what all of them say scores 1; with a single one it is plain agreement. Where people disagree,
    all spellings are normalised (`normalize`); where they do not, only case is set aside, as in the authors' program.

    Args:
        answers: n texts.
        references: the people's answers to each question.
    """
    scores = [_agreement(answer, several(people)) for answer, people in zip(answers, references, strict=True)]
    return Metric(quotient(np.array(scores, dtype=np.float64)))


def normalize(answer: str) -> str:
    """One spelling of an answer: no punctuation or articles, digits for number words, apostrophes in place.

    >>> normalize("The two dogs."), normalize("Dont know!")
    ('2 dogs', "don't know")
    """
    text = answer
    crowded = _THOUSANDS.search(answer) is not None
    for mark in _MARKS:
        beside_space = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if crowded or beside_space else " ")
    words = (str(_NUMBERS.get(word, word)) for word in _STOP.sub("", text).lower().split())
    return " ".join(_mend(word) for word in words if word not in _ARTICLES)


def _mend(word: str) -> str:
    return _MENDED.get(word.replace("'", ""), word)


def _agreement(answer: str, people: Sequence[str]) -> float:
    given, said = _tidy(answer), [_tidy(each) for each in people]
    if len(set(said)) > 1:
        given, said = normalize(given), [normalize(each) for each in said]
    matches = sum(each.lower() == given.lower() for each in said)
    if len(said) == 1:
        return float(matches)
    needed = min(AGREEING, len(said) - 1)
    among = matches * min((matches - 1) / needed, 1) if matches else 0.0  # left out: one who gave the answer
    others = (len(said) - matches) * min(matches / needed, 1)  # left out: one who did not
    return (among + others) / len(said)


def _tidy(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()
