"""Drawings of the forecast page: probabilities with their intervals, and the last days with what came.

They are part of the page, so that they have its colours, light or dark; what a colour says is said by place, shape or word too.
"""

import statistics

import numpy

from tools.goes_class import to_flux
from tools.web_pages import drawing, element, percent

DAY = numpy.timedelta64(1, "D")
_LETTERS = 13  # height of the letters
_SECONDS = numpy.timedelta64(1, "s")


def probabilities(rows):
    """Draw a bar and an interval for each class of flares.

    Parameters
    ----------
    rows : sequence of (str, network_models.forecasts.exchange.issued.Probability)

    Returns
    -------
    tools.web_pages.Markup
    """
    left, width, step = 56, 210, 30
    bottom = step * len(rows) + 6
    content = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + width * share
        content.append(element("line", x1=x, x2=x, y1=0, y2=bottom, class_="grid"))
        content.append(_text(x, bottom + 16, percent(share), text_anchor="middle", font_size=11))
    for place, (name, one) in enumerate(rows):
        middle = step * place + 18
        content.append(_text(left - 8, middle + 4, f"{name}+" if len(name) > 1 else name, text_anchor="end"))
        bar = {"x": left, "y": middle - 8, "width": f"{width * one.value:.1f}", "height": 16}
        content.append(element("rect", class_="first", **bar))
        if one.low is not None:
            low, high = (f"{left + width * bound:.1f}" for bound in (one.low, one.high))
            content.append(element("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker"))
            content += [element("line", x1=x, x2=x, y1=middle - 5, y2=middle + 5, class_="whisker") for x in (low, high)]
        content.append(_text(left + width + 16, middle + 4, percent(one.value)))
    said = ", ".join(f"{name} {percent(one.value)}" for name, one in rows)
    return drawing(left + width + 70, bottom + 24, f"Bars of the probabilities with their intervals: {said}.", *content)


def last_days(event, times, values, settled, flares, span):
    """Draw the probability of an event by time, and the flares.

    Parameters
    ----------
    event : str
    times : numpy.ndarray
        ``datetime64[s]`` (n,), of issue, in order.
    values : numpy.ndarray
        float64 (n,), 0 to 1.
    settled : numpy.ndarray
        bool (n,): whether it is known what came.
    flares : sequence of (numpy.datetime64, str)
        Start and class of those from M1.0 on; X flares are named.
    span : (numpy.datetime64, numpy.datetime64)
        Of the time axis.

    Returns
    -------
    tools.web_pages.Markup
    """
    left, top, width, height = 50, 52, 680, 180
    begin, length = span[0], (span[1] - span[0]) / _SECONDS

    def across(time):
        return left + width * float((time - begin) / _SECONDS) / length

    def up(share):
        return top + height * (1 - share)

    content = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        content.append(element("line", x1=left, x2=left + width, y1=up(share), y2=up(share), class_="grid"))
        content.append(_text(left - 8, up(share) + 4, percent(share), text_anchor="end"))
    first = begin.astype("datetime64[D]") + DAY
    days = numpy.arange(first, span[1].astype("datetime64[D]") + DAY)
    for day in days[:: max(1, len(days) // 7)]:
        x = f"{across(day.astype('datetime64[s]')):.1f}"
        content.append(element("line", x1=x, x2=x, y1=top, y2=top + height, class_="grid"))
        content.append(_text(x, top + height + 18, str(day)[5:], text_anchor="middle"))
    content.append(_text(left + width / 2, top + height + 38, "time of issue (UTC, month-day)", text_anchor="middle"))
    points = [(across(time), up(value)) for time, value in zip(times, values, strict=True)]
    content.append(element("path", d=_line(times, points), class_="first line", stroke_width=1.2, opacity=0.6))
    for look, members in (("first", settled), ("open", ~settled)):
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for (x, y), member in zip(points, members, strict=True) if member)
        if dots:
            content.append(element("path", d=dots, class_=f"{look} line", stroke_width=5, stroke_linecap="round"))
    named = []
    for time, goes_class in sorted(flares, key=lambda one: -to_flux(one[1])):
        x = across(time)
        if goes_class.startswith("X"):
            content.append(element("path", d=f"M{x:.1f} {top - 30}l5 6l-5 6l-5 -6z", class_="third"))
            if all(abs(x - other) > 36 for other in named):  # the strongest of those whose names would overlap
                content.append(_text(x, top - 35, goes_class, text_anchor="middle", font_size=11))
                named.append(x)
        else:
            content.append(element("path", d=f"M{x:.1f} {top - 5}l5 -10h-10z", class_="second"))
    counts = [sum(goes_class.startswith(letter) for _, goes_class in flares) for letter in "MX"]
    said = (
        f"Probability of a flare of {event} or more by time of issue, {len(times)} forecasts from {percent(values.min())} to"
        f" {percent(values.max())}; {int((~settled).sum())} of them, grey, are not settled. Above, {counts[0]} M flares"
        f" as triangles and {counts[1]} X flares as diamonds at their start."
    )
    return drawing(left + width + 20, top + height + 46, said, *content, wide=True)


def _line(times, points):
    """Write a line through points that breaks where forecasts are missing: str."""
    gaps = numpy.diff(times) / _SECONDS
    usual = statistics.median(gaps.tolist()) if len(gaps) else 0
    begins = [True, *(gap > 2.5 * usual for gap in gaps)]
    return "".join(f"{'M' if new else 'L'}{x:.1f} {y:.1f}" for new, (x, y) in zip(begins, points, strict=True))


def _text(x, y, text, *, font_size=_LETTERS, **attributes):
    return element("text", text, x=x, y=y, font_size=font_size, **attributes)
