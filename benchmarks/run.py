"""Every benchmark of the project in one table: what, baseline, ours, their ratio, the ratio required, pass or not.

    python benchmarks/run.py [--only NAME ...]

Ratios of times are to stay below the required one, ratios of speeds above it; the benchmark's own text says which.
Run it on a quiet machine.
"""

import importlib
import pathlib

from tools import command_line

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "benchmark_table"))


def main(arguments=None):
    """Measure and print; exit code 1 when a requirement is missed."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"some of {', '.join(NAMES)}")
    chosen = parser.parse_args(arguments).only or NAMES
    from benchmark_table import show

    rows = []
    for name in chosen:
        print(f"measuring {name} ...", flush=True)
        rows += importlib.import_module(name).measure()
    show(rows)
    if not all(row["passed"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    command_line.run(main)
