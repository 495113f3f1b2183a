"""Columns of a table that foretell its target."""

import re

import numpy
import pandas

from tools import goes_class
from tools.errors import UserError

FORETELLS = 0.98  # AUC, or absolute rank correlation with a target that is a number
_NO_FLARE = {"nf", "fq", "none", "0", ""}


def check_columns(table, target, *, limit=FORETELLS):
    """Refuse columns that foretell the target almost perfectly.

    Parameters
    ----------
    table : pandas.DataFrame
        Features. GOES classes written as text count by their flux; other texts by the mean target of each word, if
        words repeat often enough for that to mean something.
    target : array_like
        bool, 0 and 1, or a number (n,).
    limit : float
        Area under the ROC curve, in either direction, or absolute rank correlation where the target takes more than
        two values.

    Returns
    -------
    dict of str to float
        How well each column foretells the target, from 0.5 (or 0) to 1; columns that could not be judged are absent.

    Raises
    ------
    UserError
        Names the columns at or above the limit; or the target is no number.

    Examples
    --------
    >>> table = pandas.DataFrame({"noise": [1, 2, 1, 2], "hint": [0, 1, 1, 1]})
    >>> check_columns(table, [False, False, True, True])
    {'noise': 0.5, 'hint': 0.75}
    """
    target = as_target(target)
    table, target = table[~numpy.isnan(target)], target[~numpy.isnan(target)]
    scores = {}
    for name in table.columns:
        values = _as_numbers(table[name], target)
        if values is None:
            continue
        judged = ~numpy.isnan(values)
        score = _foretelling(values[judged], target[judged])
        # Whether a value is missing may give away as much as the value.
        absent = _foretelling((~judged).astype("float64"), target)
        defined = [value for value in (score, absent) if value is not None]
        if defined:
            scores[str(name)] = max(defined)
    leaking = {name: score for name, score in scores.items() if score >= limit}
    if leaking:
        named = ", ".join(f"{name} ({score:.3f})" for name, score in sorted(leaking.items(), key=lambda item: -item[1]))
        raise UserError(
            f"columns that foretell the target almost perfectly: {named}; they were made with the window, leave them out"
        )
    return scores


def as_target(target, *, origin="target"):
    """Convert a target to float64 (n,), NaN where it is missing.

    Parameters
    ----------
    target : array_like
        As of :func:`check_columns`.
    origin : str
        Named in errors.

    Raises
    ------
    UserError
        Something in it is no number, or all of it is missing.
    """
    given = pandas.Series(numpy.asarray(target), dtype=object)
    numbers = pandas.to_numeric(given, errors="coerce").to_numpy("float64", na_value=numpy.nan)
    wrong = numpy.isnan(numbers) & given.notna().to_numpy()
    if wrong.any():
        raise UserError(f"{origin}: {given[wrong].iloc[0]!r} is no number; give 0 and 1, or a number to forecast")
    if len(numbers) and numpy.isnan(numbers).all():
        raise UserError(f"{origin}: every value is missing; give 0 and 1, or a number to forecast")
    return numbers


def _as_numbers(column, target):
    """Convert a column to float64 that can be ranked against the target, or None."""
    if column.dtype.kind in "biuf":
        return column.to_numpy("float64", na_value=numpy.nan)
    if column.dtype.kind == "M":
        return None
    texts = column.astype("string").fillna("").str.strip()
    numbers = pandas.to_numeric(texts, errors="coerce").to_numpy("float64")
    if (~numpy.isnan(numbers)).mean() > 0.5:
        return numbers
    words = texts.unique()
    fluxes = {word: _class_flux(word) for word in words}
    if sum(flux is not None for flux in fluxes.values()) > 0.5 * len(words):
        return numpy.array([fluxes[word] if fluxes[word] is not None else numpy.nan for word in texts], "float64")
    if len(words) > len(texts) / 10:
        return None
    return pandas.Series(target).groupby(texts.to_numpy()).transform("mean").to_numpy("float64")


def _class_flux(word):
    if word.lower() in _NO_FLARE:
        return 0.0
    if not re.fullmatch(r"[ABCMX]\d+(\.\d+)?", word):
        return None
    try:
        return goes_class.to_flux(word)
    except ValueError:
        return None


def _foretelling(values, target):
    """Score by AUC, folded to 0.5..1, or by rank correlation where the target takes more than two values; None if undefined."""
    kinds = numpy.unique(target)
    if len(kinds) < 2 or len(numpy.unique(values)) < 2:
        return None
    ranks = pandas.Series(values).rank().to_numpy()
    if len(kinds) > 2:
        return float(abs(numpy.corrcoef(ranks, pandas.Series(target).rank())[0, 1]))
    positive = target == kinds[1]
    count = positive.sum()
    area = (ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(target) - count))
    return float(max(area, 1 - area))
