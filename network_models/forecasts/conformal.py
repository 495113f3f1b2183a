"""Conformal sets of a yes-or-no forecast: which of the two answers cannot be excluded, with a stated coverage.

A set holds the truth with at least the stated probability, whatever the network is like, provided that the hours it is
used on are exchangeable with those it was fitted on. Hourly forecasts are not: neighbours see the same regions and the
same flares. What comes closer are blocks of a solar rotation, so blocks, not hours, are the draws here; over the solar
cycle even they change, and `coverage_by_block` shows how much.
"""

import dataclasses
import typing

import numpy

from tools.errors import UserError

ROTATION = numpy.timedelta64(27, "D")
ANSWERS = ("no", "yes")


class Group(typing.NamedTuple):
    """Hold the limit of one answer, and the hours with this outcome and the blocks with any that it rests on."""

    hours: int
    blocks: int
    limit: float


@dataclasses.dataclass(frozen=True)
class Conformal:
    """Limits of the two answers.

    Attributes
    ----------
    coverage : float
        Stated share of sets that hold the truth, in hours without and in hours with an event alike.
    block : numpy.timedelta64
        Length of a block.
    no, yes : Group
        The answer is in the set while its probability is at least 1 - limit; a limit of 1 never excludes it.
    """

    coverage: float
    block: numpy.timedelta64
    no: Group
    yes: Group

    def sets(self, probability):
        """Answers that cannot be excluded: bool (n, 2), no and yes.

        Parameters
        ----------
        probability : array_like (n,)
            Of the event, from the forecast that the sets were fitted on.
        """
        probability = numpy.asarray(probability, "float64")
        return numpy.stack([probability <= self.no.limit, 1 - probability <= self.yes.limit], axis=-1)

    def statement(self):
        """Write the coverage that may be claimed, as lines to print: list of str."""
        days = self.block / numpy.timedelta64(1, "D")
        lines = [f"conformal sets of coverage {self.coverage:g}, blocks of {days:g} days:"]
        for answer, group in (("without", self.no), ("with", self.yes)):
            share = "never excluded: too few blocks" if group.limit >= 1 else f"limit {group.limit:.4f}"
            lines.append(f"  hours {answer} an event: {group.hours} in {group.blocks} blocks, {share}")
        lines.append(
            "  holds for a random hour of a new block like those fitted on; not for every block, nor for another cycle"
        )
        return lines

    def as_dictionary(self):
        """Plain values for JSON."""
        seconds = int(self.block.astype("timedelta64[s]").astype("int64"))
        groups = {answer: list(group) for answer, group in zip(ANSWERS, (self.no, self.yes), strict=True)}
        return {"coverage": self.coverage, "block_seconds": seconds, **groups}

    @classmethod
    def from_dictionary(cls, values):
        """Undo `as_dictionary`; `ValueError`, `KeyError` or `TypeError` when the values make no sense."""
        groups = [Group(int(hours), int(blocks), float(limit)) for hours, blocks, limit in (values[name] for name in ANSWERS)]
        if not (0 < values["coverage"] < 1 and all(0 <= group.limit <= 1 for group in groups)):
            raise ValueError("a conformal limit or coverage outside 0 to 1")
        return cls(float(values["coverage"]), numpy.timedelta64(int(values["block_seconds"]), "s"), *groups)


def fit(probability, event, times, *, coverage=0.9, block=ROTATION):
    """Limits for sets that hold the truth with a stated probability.

    Parameters
    ----------
    probability, event : array_like (n,)
        Forecasts of hours that neither the network nor a calibration was fitted on, and their outcomes.
    times : array_like
        ``datetime64`` (n,).
    coverage : float
        Between 0 and 1.
    block : numpy.timedelta64
        Hours of one block are one draw.

    Returns
    -------
    Conformal

    Raises
    ------
    UserError
        The coverage or block makes no sense; an outcome never happens.

    References
    ----------
    Vovk, Gammerman & Shafer 2005 (split and label-conditional conformal prediction); Dunn, Wasserman & Ramdas 2022,
    JASA 118, 2491, and Lee, Barber & Willett 2023, arXiv:2306.06342 (draws in groups).

    Notes
    -----
    The score of an hour is 1 minus the probability given to what happened. With K blocks that hold the outcome, the
    limit is the `coverage` quantile of the scores when each block weighs 1 / (K + 1), shared among its hours, and the
    block to come weighs 1 / (K + 1) at the worst score. Each outcome has its own limit: with one for both, sets would
    cover quiet hours well and flaring ones, the few that matter, badly.
    """
    probability, event = numpy.asarray(probability, "float64"), numpy.asarray(event).astype(bool)
    if not 0 < coverage < 1:
        raise UserError(f"--coverage {coverage:g}: give a share between 0 and 1, for example 0.9")
    numbers = block_numbers(times, block)
    groups = []
    for outcome in (False, True):
        of_kind = event == outcome
        if not of_kind.any():
            raise UserError(f"conformal sets: no hour {'with' if outcome else 'without'} an event; give hours of both kinds")
        score = 1 - probability[of_kind] if outcome else probability[of_kind]
        groups.append(_group(score, numbers[of_kind], coverage))
    return Conformal(float(coverage), numpy.timedelta64(block, "s"), *groups)


def _group(score, numbers, coverage):
    _, place, hours = numpy.unique(numbers, return_inverse=True, return_counts=True)
    order = numpy.argsort(score, kind="stable")
    mass = numpy.cumsum(1 / ((len(hours) + 1) * hours[place][order]))
    reached = numpy.searchsorted(mass, coverage - 1e-12)
    limit = float(score[order][reached]) if reached < len(score) else 1.0
    return Group(len(score), len(hours), limit)


def block_numbers(times, block):
    """Number of the block that each time falls into, counted from 1970: int64 (n,)."""
    seconds = int(numpy.timedelta64(block, "s").astype("int64"))
    if seconds <= 0:
        raise UserError(f"a block of {block}: give a time span above zero")
    return numpy.asarray(times, "datetime64[s]").astype("int64") // seconds


def block_length(days):
    """Read a number of days as `numpy.timedelta64`; `UserError` unless it is above zero."""
    if not 0 < days < 1e5:
        raise UserError(f"--block {days:g}: give a number of days above zero")
    return numpy.timedelta64(round(days * 86400), "s")


def coverage_by_block(probability, event, times, *, coverage=0.9, block=ROTATION):
    """How often sets hold the truth in a block that they were not fitted on, for every block in turn.

    Parameters
    ----------
    probability, event, times, coverage, block
        As for `fit`.

    Returns
    -------
    dict of str to numpy.ndarray
        ``no`` and ``yes``: float64 (k,), the share of hours with this outcome whose set holds it, for each block that
        has such hours. Their mean is what `coverage` promises; their spread is what it does not.
    """
    probability, event = numpy.asarray(probability, "float64"), numpy.asarray(event).astype(bool)
    numbers = block_numbers(times, block)
    held = {answer: [] for answer in ANSWERS}
    for number in numpy.unique(numbers):
        inside = numbers == number
        others = ~inside
        if event[others].all() or not event[others].any():
            continue
        sets = fit(probability[others], event[others], numpy.asarray(times)[others], coverage=coverage, block=block)
        members = sets.sets(probability[inside])
        for column, answer in enumerate(ANSWERS):
            of_kind = event[inside] == bool(column)
            if of_kind.any():
                held[answer].append(float(members[of_kind, column].mean()))
    return {answer: numpy.array(shares, "float64") for answer, shares in held.items()}


def words(sets):
    """Write sets (bool (n, 2)) as texts: ``no``, ``yes``, ``no or yes``, or ``neither`` when both are unlike anything seen."""
    names = numpy.array(["neither", "no", "yes", "no or yes"])
    return names[sets[:, 0] + 2 * sets[:, 1]].tolist()
