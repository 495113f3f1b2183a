"""A forecaster that only logs: ``log_writer.py LOG FIRST COUNT``; each line is acknowledged on its output."""

import sys

import numpy

from network_models.forecasts.exchange.issued import Issued, Probability
from science.operational_forecast import chain, record

BEGIN = numpy.datetime64("2020-02-01T00:00:00")
DAY = numpy.timedelta64(24, "h")


def entry(number, previous, minute, *, kind="forecast", logged="2020-06-01T00:00:09Z", software="x" * 300, **changes):
    """A record of the forecast of some minute."""
    issued = BEGIN + numpy.timedelta64(minute, "m")
    forecast = Issued("test", issued, issued, issued + DAY, {"M1.0": Probability(round(minute % 100 / 100, 6))})
    return record.Record(number, previous, kind, logged, forecast, ("history",), software=software, **changes)


def main():
    path, first, count = sys.argv[1], *map(int, sys.argv[2:])
    for minute in range(first, first + count):
        made = chain.append(path, lambda number, previous, last, minute=minute: entry(number, previous, minute))
        print(made.number, minute, flush=True)


if __name__ == "__main__":
    main()
