"""How values are written in the report: numbers, counts, times, metric names. What is no number is a dash."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable
from typing import Any

DASH = "–"

_ACRONYMS = {"auc", "roc", "pr", "rmse", "mae", "mse", "wer", "cer", "bleu", "rouge", "ndcg", "mrr", "map", "ece"}


def finite(value: Any) -> float | None:
    """`value` as a float where it is a number one can draw; None for null, NaN, infinities and all else."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) and abs(result) < 1e150 else None


def number(value: Any) -> str:
    """A measurement, to three decimals or as many digits as it carries.

    >>> number(0.98123), number(1234.5), number(0.00002), number(float("nan")), number(-3)
    ('0.981', '1,234', '2.0e−05', '–', '−3')
    """
    known = finite(value)
    if known is None:
        return value if isinstance(value, str) else DASH
    size = abs(known)
    if isinstance(value, numbers.Integral):
        text = f"{known:,.0f}" if size < 1e12 else f"{known:.2e}"
    elif size and (size < 0.0005 or size >= 1e9):
        text = f"{known:.1e}"
    else:
        text = f"{known:,.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"
    return text.replace("-", "−")


def signed(value: Any) -> str:
    """A difference, with its sign.

    >>> signed(0.0131), signed(-0.2)
    ('+0.013', '−0.200')
    """
    known = finite(value)
    return f"+{number(value)}" if known is not None and known > 0 else number(value)


def duration(seconds: Any) -> str:
    """Seconds, for people.

    >>> duration(41.23), duration(200), duration(7500)
    ('41.2 s', '3 min 20 s', '2 h 5 min')
    """
    known = finite(seconds)
    if known is None:
        return DASH
    if known < 60:
        return f"{known:.1f} s"
    minutes, rest = divmod(round(known), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def percent(place: float | None) -> str:
    """A place on an axis as SVG and CSS want it."""
    return f"{place or 0.0:.2f}%"


def metric(name: Any) -> str:
    """A metric's name in words.

    >>> metric("roc_auc"), metric("macro_f1"), metric("price.rmse"), metric("rouge_l"), metric("chrf")
    ('ROC AUC', 'macro F1', 'price.RMSE', 'ROUGE L', 'chrF')
    """
    words = re.split(r"([_.])", str(name))
    known = [word.upper() if word in _ACRONYMS or re.fullmatch(r"f\d", word) else word for word in words]
    text = "".join(known).replace("_", " ")
    for plain, written in {"r2": "R²", "cider": "CIDEr", "chrf": "chrF", "ROUGE l": "ROUGE L"}.items():
        text = text.replace(plain, written)
    return text


def listed(names: Iterable[str]) -> str:
    """Names as one phrase.

    >>> listed(["text", "photo", "age"])
    'text, photo and age'
    """
    every = list(names)
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)
