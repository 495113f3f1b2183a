"""Find the rows of one source that tell of a flare again.

A flare that was rising when a list was fetched has no peak there, and its class so far is a lower bound: such a row is about
the flare of identical start, whatever its flux. And NOAA's list of August 1991 to 1996 has every third flare twice, with other
times but the class of the first: rows of equal class that overlap are about one flare, unless they name different regions.
"""

import numpy

# Of one flare. The few longer rows of NOAA's list, days that are one too late, would take unrelated flares for their own.
_LONGEST = numpy.timedelta64(12, "h")


def leaders(records):
    """Find the row that stands for each row of flare lists.

    Parameters
    ----------
    records : pandas.DataFrame
        In order of start, with the columns of `dataset_models.flare_catalogue.COLUMNS`.

    Returns
    -------
    numpy.ndarray
        int64 (n,), positions in `records`: a row's own, or that of another one of its source. For a row without a peak it is
        the strongest of identical start, of those with a peak if there are any; for one of equal class that starts before the
        end of another, the first of these.
    """
    final = _final(records)
    return _first(records, final)[final]


def linked(numbers, leader):
    """Join the flares of rows that others stand for: int64 (n,).

    Parameters
    ----------
    numbers : numpy.ndarray
        Of the flare that each row belongs to, from 0 on: int64 (n,).
    leader : numpy.ndarray
        As of `leaders`.
    """
    from scipy.sparse import coo_array, csgraph

    count = numbers.max(initial=-1) + 1
    links = coo_array((numpy.ones(len(numbers), bool), (numbers, numbers[leader])), shape=(count, count))
    return csgraph.connected_components(links, directed=False)[1].astype("int64")[numbers] if count else numbers


def _final(records):
    """Find for each row without a peak the strongest one of its source and start: positions, int64 (n,)."""
    own = numpy.arange(len(records))
    ranked = records[["source", "start", "flux"]].assign(known=records["peak"].notna(), place=own)
    ranked = ranked.sort_values(["known", "flux"], ascending=False, kind="stable")
    best = ranked.groupby(["source", "start"])["place"].transform("first").sort_index()
    return numpy.where(records["peak"].notna(), own, best.to_numpy("int64"))


def _first(records, final):
    """Find for each row the first one of its source and class that it overlaps with, of those that stand for themselves."""
    first = numpy.arange(len(records))
    starts, ends = (records[name].to_numpy("datetime64[s]").astype("int64").tolist() for name in ("start", "end"))
    most = _LONGEST // numpy.timedelta64(1, "s")
    regions = records["noaa_region"].fillna(0).to_numpy("int64").tolist()
    found = {}  # by source and class: the flare that lasts longest, and the last one of each region, 0 for an unknown one
    for row, kind in enumerate(zip(records["source"], records["goes_class"], strict=True)):
        if final[row] != row:
            continue
        longest, of_region = found.setdefault(kind, [None, {}])
        region, start = regions[row], starts[row]
        # An unknown end, the least of all numbers, is over at once, and so is one that cannot be.
        end = ends[row] if ends[row] - start <= most else start
        candidates = (of_region.get(region), of_region.get(0)) if region else (longest,)
        flare = next((flare for flare in candidates if flare and flare["end"] > start), None)
        if flare is None:
            flare = {"row": row, "end": end, "region": region}
        else:
            first[row] = flare["row"]
            flare["end"] = max(flare["end"], end)
            if region and not flare["region"]:
                del of_region[0]
                flare["region"] = region
        of_region[flare["region"]] = flare
        if longest is None or flare["end"] > longest["end"]:
            found[kind][0] = flare
    return first
