"""Pictures for TensorBoard: samples with forecasts and gradients, confusion matrix, precision and recall, reliability."""

import numpy

from tools import figures

COLUMNS = 4
BINS = 10  # of the reliability diagram


def pixels_of(figure):
    """Draw a figure: uint8 (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return numpy.asarray(canvas.buffer_rgba())[..., :3].copy()


def pixels_of_file(path):
    """Read a picture: uint8 (height, width, 3)."""
    from PIL import Image

    with Image.open(path) as picture:
        return numpy.asarray(picture.convert("RGB"))


def draw_samples(images, channel, titles, *, title, maps=None):
    """Draw images of samples, and below each its map over it.

    Parameters
    ----------
    images : numpy.ndarray
        (n, height, width), of one channel.
    channel : dataset_models.solar_data.Channel
    titles : sequence of str
    title : str
    maps : numpy.ndarray, optional
        (n, height, width): gradients.

    Returns
    -------
    numpy.ndarray
        uint8 (height, width, 3).
    """
    columns = min(COLUMNS, len(images))
    kinds = 1 if maps is None else 2
    rows = -(-len(images) // columns) * kinds
    if maps is not None:
        title += "\nbelow: gradients, each on its own scale\nred: brighter raises the output, blue: lowers it"
    with figures.style():
        header = 0.2 + 0.24 * len(title.splitlines())
        figure, axes = figures.tiles(rows, columns, side=2.8, caption=0.4, header=header, least_width=6.5)
        for place, (image, words) in enumerate(zip(images, titles, strict=True)):
            row, column = divmod(place, columns)
            look, norm = figures.image_look(image, channel.colour_table, logarithmic=channel.logarithmic)
            axes[kinds * row, column].imshow(image, cmap=look, norm=norm)
            axes[kinds * row, column].set_title(words, fontsize=10)
            if maps is not None:
                colours = {"table": channel.colour_table, "logarithmic": channel.logarithmic}
                figures.show_overlay(axes[kinds * row + 1, column], image, maps[place], **colours)
        figure.text(0.5, 1 - 0.1 / figure.get_figheight(), title, ha="center", va="top", fontsize="large")
        return pixels_of(figure)


def draw_confusion(counts, *, title):
    """Draw a contingency table.

    Parameters
    ----------
    counts : sequence of float
        Hits, false alarms, misses, correct nulls.
    title : str

    Returns
    -------
    numpy.ndarray
        uint8 (height, width, 3). Shades are shares of what was observed, so that a rare event is seen too.
    """
    hits, false_alarms, misses, nulls = (int(count) for count in counts)
    table = numpy.array([[hits, misses], [false_alarms, nulls]])
    shares = table / numpy.maximum(table.sum(axis=1, keepdims=True), 1)
    with figures.style():
        figure, axes = figures.new(figsize=(5.4, 4.6))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = (("hits", "misses"), ("false alarms", "correct nulls"))
        for row in range(2):
            for column in range(2):
                words = f"{names[row][column]}\n{table[row, column]:,}\n({100 * shares[row, column]:.0f} %)"
                colour = "white" if shares[row, column] > 0.6 else "black"
                axes.text(column, row, words, ha="center", va="center", color=colour)
        axes.set(xticks=(0, 1), yticks=(0, 1), xlabel="forecast", ylabel="observed", title=title)
        axes.set_xticklabels(("yes", "no"))
        axes.set_yticklabels(("event", "no event"))
        return pixels_of(figure)


def draw_precision_recall(probability, event, *, title, count=None):
    """Draw the precision-recall curve of probabilities, beside the event rate that a guess has as its precision.

    Parameters
    ----------
    probability, event : numpy.ndarray
        (n,).
    title : str
    count : numpy.ndarray, optional
        (n,), how many samples each of them stands for; by default one.

    Returns
    -------
    numpy.ndarray or None
        uint8 (height, width, 3); None without any event.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    if not (event > 0.5).any():
        return None
    precision, recall, _ = precision_recall_curve(event > 0.5, probability, sample_weight=count)
    area = average_precision_score(event > 0.5, probability, sample_weight=count)
    with figures.style():
        figure, axes = figures.new(figsize=(5.6, 4.6))
        axes.step(recall, precision, where="post", label=f"network, average precision {area:.2f}")
        axes.axhline(float(numpy.average(event > 0.5, weights=count)), color="0.4", linestyle="--", label="event rate")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title=title)
        axes.legend(loc="lower left", fontsize=10)
        return pixels_of(figure)


def draw_reliability(probability, event, *, title, count=None):
    """Draw how often the event followed forecasts of each tenth of probability, with how many there were.

    Parameters
    ----------
    probability, event : numpy.ndarray
        (n,).
    title : str
    count : numpy.ndarray, optional
        (n,), how many samples each of them stands for; by default one.

    Returns
    -------
    numpy.ndarray
        uint8 (height, width, 3).
    """
    happened = event > 0.5
    each = numpy.ones(len(event)) if count is None else count
    place = numpy.minimum((probability * BINS).astype(int), BINS - 1)
    total = numpy.bincount(place, each, BINS)
    used = total > 0
    mean, observed = (numpy.bincount(place, each * values, BINS)[used] / total[used] for values in (probability, happened))
    with figures.style():
        figure, axes = figures.new(figsize=(5.6, 5.0))
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1.2, label="reliable")
        axes.axhline(numpy.average(happened, weights=each), color="0.6", linestyle=":", linewidth=1.2, label="event rate")
        axes.plot(mean, observed, "o-", label="network")
        for x, y, samples in zip(mean, observed, total[used], strict=True):
            axes.annotate(f"{samples:,.0f}", (x, y), textcoords="offset points", xytext=(5, -12), fontsize=8, color="0.3")
        axes.set(xlabel="forecast probability", ylabel="observed frequency", xlim=(0, 1), ylim=(-0.03, 1.03), title=title)
        axes.legend(loc="upper left", fontsize=10)
        return pixels_of(figure)
