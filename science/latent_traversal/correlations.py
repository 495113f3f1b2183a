"""Correlate the latent variables of a beta-VAE with what is measured on the images and known of flares.

Rank correlations of both splits side by side: neighbouring hours are nearly the same image, so that a correlation of
one split alone may be chance, and no probability is given; one that both splits share is worth following up.
"""

import numpy

from dataset_models import simulation_mark
from dataset_models.images.geometry import FRAME
from dataset_models.solar_data import SPLITS
from science.latent_traversal import latents
from tools import figures, tables

CLIP = 256.0  # gauss that 0 and 1 stand for
STRONG = 40.0  # gauss of the smoothed unsigned field from which on a place belongs to a region
EDGE = 0.95  # solar radii: what is farther out is left out
RADIUS = 965.0  # arcsec of the Sun, where an image has no header


def measure(image, *, radius, clip=CLIP):
    """Measure unsigned flux and regions of a magnetogram.

    Parameters
    ----------
    image : numpy.ndarray
        (height, width), 0 to 1, the disk in the middle.
    radius : float
        Of the Sun, in pixels.
    clip : float
        Gauss that 1 stands for.

    Returns
    -------
    dict of str to float
        ``unsigned flux`` (mean over the disk, gauss), ``regions``, ``west`` and ``north`` (of the unsigned flux in
        regions, solar radii), ``largest region`` (its share of that flux), ``largest west``, ``largest north``, and
        ``signed flux`` (mean, gauss). Positions are NaN without regions.

    Notes
    -----
    A region is a connected place where the unsigned field, smoothed over 1 % of the image, is above 40 gauss.
    """
    import scipy.ndimage

    height, width = image.shape
    row, column = numpy.mgrid[:height, :width]
    west, north = (column - (width - 1) / 2) / radius, ((height - 1) / 2 - row) / radius
    disk = west**2 + north**2 < EDGE**2
    field = numpy.where(disk, (2 * image - 1) * clip, 0.0)
    strength = numpy.abs(field)
    smooth = scipy.ndimage.gaussian_filter(strength, 0.01 * width)
    labels, count = scipy.ndimage.label(smooth > STRONG)
    result = {"unsigned flux": strength[disk].mean(), "signed flux": field[disk].mean(), "regions": count}
    inside = labels > 0
    names = ("west", "north", "largest region", "largest west", "largest north")
    if not count:
        return {key: float(value) for key, value in (result | dict.fromkeys(names, numpy.nan)).items()}
    flux = numpy.bincount(labels[inside], strength[inside], minlength=count + 1)
    largest = labels == flux.argmax()
    values = [
        numpy.average(west[inside], weights=strength[inside]),
        numpy.average(north[inside], weights=strength[inside]),
        flux.max() / flux.sum(),
        numpy.average(west[largest], weights=strength[largest]),
        numpy.average(north[largest], weights=strength[largest]),
    ]
    return {key: float(value) for key, value in (result | dict(zip(names, values, strict=True))).items()}


def quantities(subject, times):
    """Collect what is known of samples beside their latents.

    Parameters
    ----------
    subject : science.explanation.subject.Subject
    times : numpy.ndarray
        ``datetime64[s]`` (n,).

    Returns
    -------
    dict of str to numpy.ndarray
        float64 (n,), by name: of magnetograms what `measure` returns, the value of the target, of its past, and the time
        in days; of other images the numbers in `SolarData.metadata`. A number that stands for a kind has no order to
        correlate with: each of its kinds is a quantity, 1 where the sample is of it and else 0.
    """
    from tqdm import tqdm

    images = subject.data
    magnetogram = next((place for place, channel in enumerate(images.channels) if channel.name == "magnetogram"), None)
    clip = float(getattr(images.data, "magnetogram_clip", None) or getattr(images.data, "clip", CLIP))
    radius = None
    rows = []
    for time in tqdm(times, desc="measure", unit="image", disable=None, leave=False):
        row = {}
        if magnetogram is not None:
            image = images.image(time)[..., magnetogram]
            image = image[-1] if image.ndim == 3 else image
            radius = radius or _radius(images, time, image.shape[1])
            row |= measure(image, radius=radius, clip=clip)
        true, past = images.truth(time)
        numbers = {key: value for key, value in images.metadata(time).items() if isinstance(value, (int, float))}
        if magnetogram is None:
            row |= numbers
        else:
            row |= _target(images, true, past) | {"day": (time - times[0]) / numpy.timedelta64(1, "D")}
        rows.append(row)
    found = {name: numpy.array([row.get(name, numpy.nan) for row in rows], "float64") for name in rows[0]}
    for name in images.nominal:
        values = found.pop(name, numpy.empty(0))
        known = ~numpy.isnan(values)
        for kind in numpy.unique(values[known]):
            found[f"{name} {kind:g}"] = numpy.where(known, values == kind, numpy.nan)
    return found


def rank_correlations(mean, measured):
    """Compute Spearman's rank correlations.

    Parameters
    ----------
    mean : numpy.ndarray
        (n, k).
    measured : dict of str to numpy.ndarray
        (n,) each; NaN leaves a sample out.

    Returns
    -------
    numpy.ndarray
        float64 (k, len(measured)); NaN where a quantity, or a latent, does not vary.
    """
    from scipy.stats import rankdata

    result = numpy.full((mean.shape[1], len(measured)), numpy.nan)
    for column, values in enumerate(measured.values()):
        usable = numpy.isfinite(values)
        if usable.sum() < 3 or numpy.ptp(values[usable]) == 0:
            continue
        rank = rankdata(values[usable])
        for latent in range(mean.shape[1]):
            other = rankdata(mean[usable, latent])
            if numpy.ptp(other):
                result[latent, column] = numpy.corrcoef(rank, other)[0, 1]
    return result


def write(folder, subject, encoded, *, most=16):
    """Write correlations.csv and correlations.png into a folder.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
    encoded : science.latent_traversal.latents.Encoded
    most : int
        Latents drawn at most, the strongest.
    """
    import pandas

    correlations = {}
    for split in dict.fromkeys(encoded.splits):
        part = encoded.of(split)
        measured = quantities(subject, part.times)
        correlations[str(split)] = rank_correlations(part.mean, measured)
    names = list(measured)
    order, kl = encoded.order, encoded.kl
    rows = [
        {"latent": latent, "kl": kl[latent], "quantity": name}
        | {split: values[latent, column] for split, values in correlations.items()}
        for latent in order
        for column, name in enumerate(names)
    ]
    images = subject.data
    table = simulation_mark.marked(pandas.DataFrame(rows), images.simulated)
    tables.write(folder / "correlations.csv", table, float_format="%.4f")
    shown = [latent for latent in order if kl[latent] > latents.ACTIVE][:most] or list(order[:most])
    with figures.style():
        size = (len(correlations) * (0.42 * len(names) + 1) + 2.2, 0.36 * len(shown) + 2.6)
        figure, axes = figures.new(1, len(correlations), figsize=size, squeeze=False, sharey=True)
        for panel, split in zip(axes[0], [split for split in SPLITS if split in correlations], strict=True):
            drawn = panel.imshow(correlations[split][shown], cmap=figures.SIGNED, vmin=-1, vmax=1, aspect="auto")
            panel.set(title=split, xticks=range(len(names)), yticks=range(len(shown)))
            panel.set_xticklabels(names, rotation=90, fontsize="small")
            for row, latent in enumerate(shown):
                for column in range(len(names)):
                    value = correlations[split][latent, column]
                    if abs(value) >= 0.3:
                        colour = "white" if abs(value) > 0.65 else "black"
                        panel.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=colour)
        axes[0, 0].set_yticklabels([f"{latent} ({kl[latent]:.2f})" for latent in shown], fontsize="small")
        axes[0, 0].set_ylabel("latent (divergence, nats)")
        figure.colorbar(drawn, ax=list(axes[0]), label="rank correlation")
        figure.suptitle(figures.title(images.title, simulated=images.simulated), fontsize=11)
        figures.save(figure, folder / "correlations.png")


def _target(images, true, past):
    if images.task == "classification":
        return {"flare in the window": true, "flare in the past window": past}
    return {"value to come": true, "value known": past}


def _radius(images, time, width):
    """Find the Sun's radius in pixels: float."""
    header = images.header(time)
    if header is None or not {"RSUN_OBS", "CDELT1"} <= set(header):
        return RADIUS / FRAME * width
    return float(header["RSUN_OBS"]) / float(header["CDELT1"])
