"""How benchmarks are printed: one table for all."""

import os
import platform


def show(rows):
    """Print measurements.

    Parameters
    ----------
    rows : list of dict
        With what, baseline, ours, ratio, required and passed, as each benchmark's ``measure()`` returns.
    """
    width = max(len(row["what"]) for row in rows)
    print(f"{'what':{width}}  {'baseline':>10} {'ours':>10} {'ratio':>8} {'required':>8}")
    for row in rows:
        numbers = f"{row['baseline']:10.4g} {row['ours']:10.4g} {row['ratio']:8.3g} {row['required']:8.3g}"
        print(f"{row['what']:{width}}  {numbers}  {'pass' if row['passed'] else 'FAIL'}")
    print(f"on {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
