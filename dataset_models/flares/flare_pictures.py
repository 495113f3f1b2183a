"""Pictures of a flare list: classes, durations, and flares per year or month."""

import numpy

from tools import figures, goes_class

LONGEST = 1440.0  # minutes; what lasts longer is an error of its list
_LETTERS = tuple(goes_class.DECADES)
_COLOURS = dict(
    zip("ABCMX", ("0.75", figures.PALETTE[2], figures.PALETTE[0], figures.PALETTE[4], figures.PALETTE[1]), strict=True)
)


def classes(path, events, *, simulated=False):
    """Draw how many flares there are of each class, and of each peak flux.

    Parameters
    ----------
    path : str or pathlib.Path
        Suffix ``.png``, ``.pdf`` or ``.svg``.
    events : pandas.DataFrame
        As `dataset_models.flare_catalogue.Catalogue.events`.
    simulated : bool
        Said in the title.

    Returns
    -------
    str
        What the picture shows, in a line.
    """
    letters, flux = _letters(events), events["flux"].to_numpy("float64")
    present = [letter for letter in _LETTERS if (letters == letter).any()]
    counts = [int((letters == letter).sum()) for letter in present]
    with figures.style():
        figure, (bars, histogram) = figures.new(1, 2, figsize=(11, 4.4), width_ratios=(1, 1.6))
        drawn = bars.bar(present, counts, color=[_COLOURS[letter] for letter in present], width=0.7)
        bars.bar_label(drawn, [f"{count:,}" for count in counts], padding=2)
        bars.set(yscale="log", ylim=(0.5, 3 * max(counts)), xlabel="GOES class", ylabel="flares")
        first, last = (int(numpy.floor(10 * numpy.log10(value) + 1e-9)) for value in (flux.min(), flux.max()))
        steps = numpy.arange(first, last + 2) / 10
        # Classes have two digits: edges between them, so that no step holds more of them than its share.
        borders = 10.0**steps * (1 - 1e-6)
        for letter in present:
            histogram.hist(flux[letters == letter], borders, color=_COLOURS[letter])
            first = goes_class.to_flux(f"{letter}1")
            low, high = max(first, borders[0]), borders[-1] if letter == "X" else min(10 * first, borders[-1])
            histogram.text((low * high) ** 0.5, 1.02, letter, ha="center", transform=histogram.get_xaxis_transform())
        histogram.set(xscale="log", yscale="log", ylim=(0.5, None), ylabel="flares per 0.1 dex")
        histogram.set_xlabel(figures.unit("peak X-ray flux, 1-8 \N{ANGSTROM SIGN} (W m^-2)"))
        figure.suptitle(figures.title(f"{len(events):,} flares, {_span(events)}", simulated=simulated))
        figures.save(figure, path)
    return ", ".join(f"{count:,} {letter}" for letter, count in zip(present, counts, strict=True))


def durations(path, events, *, simulated=False):
    """Draw how long flares last and rise, by class; arguments and result as of `classes`.

    Flares whose end, or peak, is unknown or not after the start are left out, as are durations beyond `LONGEST`. Nothing is
    drawn of a list that has neither.
    """
    letters, start = _letters(events), events["start"].to_numpy("datetime64[s]")
    if not (events["end"].notna() | events["peak"].notna()).any():
        return "not drawn, since the list has neither peaks nor ends"
    # Lists count whole minutes: borders between them, and no step without one.
    borders = numpy.unique(numpy.geomspace(1, LONGEST, 31).round()) - 0.5
    ticks = (1, 3, 10, 30, 100, 300, 1000)
    words = []
    with figures.style():
        figure, axes = figures.new(1, 2, figsize=(11, 4.6), sharey=True)
        for panel, card, name in zip(axes, ("end", "peak"), ("start to end", "start to peak"), strict=True):
            minutes = (events[card].to_numpy("datetime64[s]") - start) / numpy.timedelta64(60, "s")
            known = (minutes > 0) & (minutes <= LONGEST)  # false for NaN
            for letter in (letter for letter in _LETTERS if (known & (letters == letter)).any()):
                values = minutes[known & (letters == letter)]
                median = float(numpy.median(values))
                label = f"{letter}: {len(values):,}, median {median:.0f} min"
                weights = numpy.full(len(values), 100 / len(values))
                panel.hist(
                    values, borders, weights=weights, histtype="step", color=_COLOURS[letter], linewidth=1.8, label=label
                )
                words += [f"{letter} {median:.0f} min"] if card == "end" else []
            panel.set(xscale="log", xlabel="minutes", title=f"{name}: known of {known.sum():,} flares")
            panel.set_xticks(ticks, [f"{tick}" for tick in ticks])
            panel.minorticks_off()
            if known.any():
                panel.legend(fontsize="small")
        axes[0].set_ylabel("share of the class (%)")
        figure.suptitle(figures.title(f"Durations of flares, {_span(events)}", simulated=simulated))
        figures.save(figure, path)
    return "median duration " + (", ".join(words) or "unknown")


def over_time(path, events, *, simulated=False):
    """Draw how many flares of each class there are per year, month (less than six years) or day (60 days); as of `classes`."""
    letters, days = _letters(events), events["start"].to_numpy("datetime64[D]")
    length = (days.max() - days.min()) // numpy.timedelta64(1, "D")
    unit, name = ("D", "day") if length < 60 else ("M", "month") if length < 6 * 365 else ("Y", "year")
    dates = days.astype(f"datetime64[{unit}]")
    span = numpy.arange(dates.min(), dates.max() + 1)
    present = [letter for letter in _LETTERS if (letters == letter).any()]
    with figures.style():
        figure, axes = figures.new(len(present), figsize=(9, 1.3 + 1.5 * len(present)), sharex=True, squeeze=False)
        left, right = (edge.astype("datetime64[s]") for edge in (span, span + 1))  # or 0.9 of a day would be none
        for panel, letter in zip(axes[::-1, 0], present, strict=True):
            counts = numpy.bincount((dates[letters == letter] - span[0]).astype(int), minlength=len(span))
            panel.bar(left, counts, 0.9 * (right - left), align="edge", color=_COLOURS[letter])
            panel.set_ylabel(letter, rotation=0, ha="right", va="center")
            panel.locator_params(axis="y", nbins=4, integer=True)
        figures.utc_axis(axes[-1, 0])
        axes[-1, 0].set_xlim(left[0], right[-1])
        figure.suptitle(figures.title(f"Flares per {name} by class, {_span(events)}", simulated=simulated))
        figures.save(figure, path)
    return f"{len(span)} {name}s"


PICTURES = {"classes.png": classes, "durations.png": durations, "over_time.png": over_time}


def draw(folder, events, *, simulated=False):
    """Draw all `PICTURES` into a folder: list of str, the lines that they return; arguments as of `classes`."""
    return [f"{name}: {picture(folder / name, events, simulated=simulated)}" for name, picture in PICTURES.items()]


def _letters(events):
    return events["goes_class"].str[0].to_numpy("str")


def _span(events):
    days = events["start"].to_numpy("datetime64[D]")
    return f"{days.min()} to {days.max()}"
