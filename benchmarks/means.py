"""Means of a score over some of a table's rows, with 95 % intervals, as benchmarks print them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensemble.metrics.base import Estimate, Metric, estimate, quotient


def mean(values: NDArray[np.float64], rows: NDArray[np.bool_], draws: NDArray[np.float64]) -> Estimate:
    """The mean of `(n,)` values over some rows, `(n,)` bool, and its interval over resamples `(R, n)` of all rows."""
    return estimate(Metric(quotient(values[rows])), int(rows.sum()), draws[:, rows])


def show(name: str, values: NDArray[np.float64], rows: NDArray[np.bool_], draws: NDArray[np.float64]) -> None:
    """Prints it in a line."""
    found = mean(values, rows, draws)
    print(f"  {name:<32} {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]  ({found.rows:,} rows)", flush=True)
