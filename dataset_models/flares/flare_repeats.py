"""Find the rows of one source that tell of a flare again.

A flare that was rising when a list was fetched has no peak there, and its class so far is a lower bound: such a row is about
the flare of identical start, whatever its flux.
"""

import numpy


def leaders(records):
    """Find the row that stands for each row of flare lists.

    Parameters
    ----------
    records : pandas.DataFrame
        In order of start, with start, peak, flux and source of `dataset_models.flare_catalogue.COLUMNS`.

    Returns
    -------
    numpy.ndarray
        int64 (n,), positions in `records`: a row's own, or that of another one of its source. For a row without a peak it is
        the strongest of identical start, of those with a peak if there are any.
    """
    own = numpy.arange(len(records))
    ranked = records[["source", "start", "flux"]].assign(known=records["peak"].notna(), place=own)
    ranked = ranked.sort_values(["known", "flux"], ascending=False, kind="stable")
    best = ranked.groupby(["source", "start"])["place"].transform("first").sort_index()
    return numpy.where(records["peak"].notna(), own, best.to_numpy("int64"))
