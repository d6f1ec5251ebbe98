"""Statistics and models on sums against libraries on the pooled rows: the largest difference.

    python bench/exactness.py [--genes 2000] [--seed 0] [--time]

Differences are relative to the library's value, unless the row says otherwise. The hospitals are
made up: see `exactness_omics.py` and `exactness_models.py`. A row is skipped if its library is not
installed: lifelines, statsmodels, inmoose and neuroCombat are in none of the project's extras
(inmoose 0.9.1 needs pandas below 3: give it an environment of its own). `--time` adds the CPU
seconds of ComBat for 20,000 columns at four hospitals of 200 rows. Exits with 1 if a difference, or
the time, is above its limit.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

from exactness_models import check_cox, check_curve, check_log_rank, check_regression
from exactness_omics import (
    check_combat,
    check_components,
    check_correlations,
    check_least_squares,
    check_moderated,
    check_moments,
    check_tails,
    check_welch,
    harmonised,
    make_case,
)
from exactness_rows import Row

TIME_S = 10.0  # of CPU, for ComBat of 20,000 columns at four hospitals of 200 rows

Check = Callable[[], Iterator[Row]]


def make_checks(genes: int, seed: int) -> dict[str, Check]:
    """The parts of the table, by name."""
    case = make_case(seed, genes)
    return {
        "moments": partial(check_moments, case),
        "correlations": partial(check_correlations, case),
        "tail of t": partial(check_tails, seed),
        "Welch's t": partial(check_welch, case),
        "least squares": partial(check_least_squares, case),
        "moderated t": partial(check_moderated, genes, seed),
        "ComBat": partial(check_combat, genes, seed),
        "principal components": partial(check_components, seed),
        "Kaplan-Meier": partial(check_curve, seed),
        "log-rank": partial(check_log_rank, seed),
        "Cox": partial(check_cox, seed),
        "regression": partial(check_regression, seed),
    }


def measure_time() -> float:
    """CPU seconds of ComBat, all four hospitals together, without the making of the rows."""
    case = make_case(6, 20_000, (200,) * 4, hard=False)
    start = time.process_time()
    harmonised(case)
    return time.process_time() - start


def print_part(name: str, check: Check) -> tuple[int, int]:
    """Print the rows of a part -> (rows above their limit, parts that were skipped)."""
    misses = 0
    try:
        for method, oracle, off, limit in check():
            misses += not off <= limit
            print(f"{method:42}{oracle:16}{off:20.2g}{limit:10.2g}", flush=True)
    except ImportError as error:
        package = (error.name or "the library").split(".")[0]
        print(f"{name:42}{package:16}{'skipped: not installed':>30}")
        return misses, 1
    return misses, 0


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time", action="store_true", help="add the CPU seconds of ComBat")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'method':42}{'oracle':16}{'largest difference':>20}{'limit':>10}")
    parts = [print_part(*one) for one in make_checks(options.genes, options.seed).items()]
    misses, skipped = (sum(counts) for counts in zip(*parts, strict=True))
    if options.time:
        seconds = measure_time()
        misses += not seconds <= TIME_S
        print(f"{'ComBat, 20,000 x 4 x 200 (CPU s)':58}{seconds:20.2f}{TIME_S:10.2g}")
    print(f"{misses} above the limit, {skipped} parts skipped")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
