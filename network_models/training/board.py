"""Pictures for TensorBoard: validation samples with their forecasts, the confusion matrix, the precision-recall curve."""

import numpy

from tools import figures

COLUMNS = 4


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


def draw_samples(images, channel, titles, *, title):
    """Draw images of samples.

    Parameters
    ----------
    images : numpy.ndarray
        (n, height, width), of one channel.
    channel : dataset_models.solar_data.Channel
    titles : sequence of str
    title : str

    Returns
    -------
    numpy.ndarray
        uint8 (height, width, 3).
    """
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    with figures.style():
        header = 0.2 + 0.24 * len(title.splitlines())
        figure, axes = figures.tiles(rows, columns, side=2.8, caption=0.4, header=header)
        for panel, image, words in zip(axes.flat, images, titles, strict=False):
            look, norm = figures.image_look(image, channel.colour_table, logarithmic=channel.logarithmic)
            panel.imshow(image, cmap=look, norm=norm)
            panel.set_title(words, fontsize=10)
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


def draw_precision_recall(probability, event, *, title):
    """Draw the precision-recall curve of probabilities, beside the event rate that a guess has as its precision.

    Parameters
    ----------
    probability, event : numpy.ndarray
        (n,).
    title : str

    Returns
    -------
    numpy.ndarray or None
        uint8 (height, width, 3); None without any event.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    if not (event > 0.5).any():
        return None
    precision, recall, _ = precision_recall_curve(event > 0.5, probability)
    area = average_precision_score(event > 0.5, probability)
    with figures.style():
        figure, axes = figures.new(figsize=(5.6, 4.6))
        axes.step(recall, precision, where="post", label=f"network, average precision {area:.2f}")
        axes.axhline(float((event > 0.5).mean()), color="0.4", linestyle="--", label="event rate")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title=title)
        axes.legend(loc="lower left", fontsize=10)
        return pixels_of(figure)
