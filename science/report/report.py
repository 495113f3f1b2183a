"""Write the web page of a run: settings, curves, scores beside baselines, maps, embedding, passport, links to every file.

    python science/report/report.py RUN_FOLDER [--out FILE]

RUN_FOLDER is the run of any training script. The page needs no server and no script; what science/ adds to the run later is
on it when it is written again. The training scripts write it themselves with --report.
"""

import pathlib

from network_models import run_report
from tools import command_line


def main(arguments=None):
    """Write the page of a run."""
    parser = command_line.parser(__doc__)
    parser.add_argument("run", metavar="RUN_FOLDER", type=pathlib.Path, help="folder of a run, <network>/trained_models/...")
    text = f"the page; its links are relative to it (default: {run_report.NAME} in RUN_FOLDER)"
    parser.add_argument("--out", metavar="FILE", type=pathlib.Path, help=text)
    flags = parser.parse_args(arguments)
    print(run_report.write_report(flags.run, flags.out))


if __name__ == "__main__":
    command_line.run(main)
