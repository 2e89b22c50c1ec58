"""Search by the clock: exact against the bare matrix product, approximate against exact, codes against vectors.

    python benchmarks/search.py exact
    python benchmarks/search.py codes
    python benchmarks/search.py approximate --rows 1000000 --data latent
    python benchmarks/search.py approximate --rows 200000 --data latent --structure graph
    python benchmarks/search.py approximate --rows 200000 --data uniform

Times are processor time of this process, so run it with OMP_NUM_THREADS=1. Data is generated. `clusters`: a mixture of
1,000 clusters, each as wide in every direction. `latent`: no clusters, but 24 hidden dimensions, mixed at random into
all, and noise. `uniform`: no structure at all, which no real embedding is as bad as. Queries are drawn anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensemble.index.base import INDEXES, Hit

CLUSTERS = 1_000
WIDTH = 0.7
"""Length of what is added to a cluster's centre, which has length 1."""
BATCH = 10_000
LATENT, NOISE = 24, 0.5
EFFORTS = {"lists": (1, 4, 16, 64, 96, 128, 256), "graph": (32, 96, 256, 512, 1024)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["exact", "codes", "approximate"])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int)
    parser.add_argument("--data", choices=["clusters", "latent", "uniform"], default="clusters")
    parser.add_argument("--structure", choices=list(EFFORTS), default="lists")
    parser.add_argument("--folder", default="runs/search_benchmark", help="of the index; one that is there is used")
    options = parser.parse_args()
    dim = options.dim or (128 if options.part == "approximate" else 384)
    folder = Path(options.folder) / f"{options.data}-{options.rows}-{dim}"
    matrix, queries = generate(options.rows, dim, options.data)
    print(f"{options.rows:,} x {dim}, {options.data}")
    fill(folder, matrix)
    if options.part == "approximate":
        approximate(folder, matrix, queries, options.structure)
    else:
        (exact if options.part == "exact" else codes)(folder, matrix, queries)


def generate(rows: int, dim: int, data: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors, and 256 queries."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, dim), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    made = random.standard_normal((rows + 256, dim), dtype=np.float32)
    if data == "latent":
        made *= np.float32(NOISE)
        mixed = random.standard_normal((LATENT, dim), dtype=np.float32)
        for start in range(0, len(made), BATCH):
            part = made[start : start + BATCH]
            part += random.standard_normal((len(part), LATENT), dtype=np.float32) @ mixed
    if data == "clusters":
        made *= np.float32(WIDTH / dim**0.5)
        made += centres[random.integers(CLUSTERS, size=len(made))]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made[:rows], made[rows:].copy()


def fill(folder: Path, matrix: NDArray[np.float32]) -> None:
    with INDEXES.create("exact", str(folder), "benchmark", matrix.shape[1]) as index:
        if len(index) == len(matrix):
            return
        start = time.process_time()
        for first in range(0, len(matrix), BATCH):
            ids = [f"{row:07}" for row in range(first, min(first + BATCH, len(matrix)))]
            columns = [{"tenth": row % 10, "thousandth": row % 1000} for row in range(first, first + len(ids))]
            index.add(ids, matrix[first : first + BATCH], columns)
        print(f"adding: {time.process_time() - start:.1f} s")


def exact(folder: Path, matrix: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    """Exact search beside `matrix @ queries.T` by the same library, both ways round."""
    with INDEXES.create("exact", str(folder), "benchmark", matrix.shape[1]) as index:
        for count in (1, 32, 256):
            some = queries[:count]
            times = paired(lambda q=some: q @ matrix.T, lambda q=some: matrix @ q.T, lambda q=some: index.search(q))
            bare = min(times[:2])
            print(
                f"{count:>4} queries: bare product {times[0]:.1f} or {times[1]:.1f} ms, search {times[2]:.1f} ms, "
                f"{times[2] / times[0]:.2f} or {times[2] / times[1]:.2f} times (of the faster: {times[2] / bare:.2f})"
            )
        for column in ("tenth", "thousandth"):
            (ours,) = paired(lambda c=column: index.search(queries[:1], where={c: 3}))
            print(f"   1 query, filter that one in a {column} meets: {ours:.1f} ms")


def codes(folder: Path, matrix: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    with INDEXES.create("exact", str(folder), "benchmark", matrix.shape[1]) as index:
        truth = index.search(queries)
        counts = (1, 32, 256)
        times = [paired(lambda q=queries[:count]: index.search(q), repeats=2)[0] for count in counts]
        print(
            f"float32: {matrix.nbytes / 2**20:.0f} MiB, {' / '.join(f'{each:.1f}' for each in times)} ms for {counts}"
        )
    for kind, rescore in (("int8", 1), ("int8", 4), ("binary", 4), ("binary", 16), ("binary", 64)):
        options = {"codes": kind, "rescore": rescore}
        with INDEXES.create("exact", str(folder), "benchmark", matrix.shape[1], **options) as index:
            index.finish()
            size = sum(file.stat().st_size for file in folder.glob(f"{kind}-*/codes.npy"))
            share = recall(truth, index.search(queries))
            times = [paired(lambda q=queries[:count], i=index: i.search(q), repeats=2)[0] for count in counts]
            print(
                f"{kind}, rescore {rescore}: {size / 2**20:.0f} MiB, recall@10 {share:.4f}, "
                f"{' / '.join(f'{each:.1f}' for each in times)} ms"
            )


def approximate(folder: Path, matrix: NDArray[np.float32], queries: NDArray[np.float32], structure: str) -> None:
    dim, options = matrix.shape[1], {"structure": structure, "smallest": 1}
    with INDEXES.create("exact", str(folder), "benchmark", dim) as index:
        truth = index.search(queries)
        (single,) = paired(lambda: [index.search(query[None]) for query in queries[:8]], repeats=2)
        (batch,) = paired(lambda: index.search(queries), repeats=2)
        print(f"exact: {single / 8:.2f} ms a query alone, {batch / 256:.2f} ms a query of 256", flush=True)
        filtered = index.search(queries, where={"tenth": 3})
    before, start, clock = memory(), time.process_time(), time.time()
    with INDEXES.create("approximate", str(folder), "benchmark", dim, **options) as index:
        index.finish()
    spent, waited = time.process_time() - start, time.time() - clock
    if spent > 1:
        print(f"build: {spent:.0f} s of processor time ({waited:.0f} s by the clock)", flush=True)
    size = sum(file.stat().st_size for file in folder.glob(f"{structure}-*/*"))
    print(
        f"{structure} on disk {size / 2**20:.0f} MiB; peak memory grew by {memory() - before:.0f} MiB while it was made"
    )
    for effort in EFFORTS[structure]:
        with INDEXES.create("approximate", str(folder), "benchmark", dim, effort=effort, **options) as index:
            found = index.search(queries)
            alone = paired(lambda i=index: [i.search(query[None]) for query in queries], repeats=2)[0] / 256
            many = paired(lambda i=index: i.search(queries), repeats=2)[0] / 256
            line = (
                f"effort {effort}: recall@10 {recall(truth, found):.4f}, {alone:.3f} ms a query alone "
                f"({single / 8 / alone:.0f} times), {many:.3f} ms of 256 ({batch / 256 / many:.0f} times)"
            )
            if effort in (16, 96, 512):
                some = index.search(queries, where={"tenth": 3})
                line += f"; with a filter that a tenth meets recall@10 {recall(filtered, some):.4f}"
            print(line, flush=True)


def recall(truth: list[list[Hit]], found: list[list[Hit]]) -> float:
    shared = [
        len({hit.id for hit in a} & {hit.id for hit in b}) / max(1, len(a)) for a, b in zip(truth, found, strict=True)
    ]
    return float(np.mean(shared))


def paired(*functions: Callable[[], object], repeats: int = 5) -> list[float]:
    """Least processor time of each in ms, taken in turns."""
    best = [float("inf")] * len(functions)
    for round_ in range(repeats + 1):
        for place, function in enumerate(functions):
            start = time.process_time()
            function()
            if round_:
                best[place] = min(best[place], (time.process_time() - start) * 1e3)
    return best


def memory() -> float:
    """Largest resident size of this process so far, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
