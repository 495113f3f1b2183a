"""Images of a beta-VAE: of random latents, without single latents, and what strong activations have in common."""

import numpy

from network_models.beta_vae import pictures
from tools import figures


def samples(model, count, *, seed=0):
    """Decode latents drawn from the prior.

    Parameters
    ----------
    model : network_models.layers.variational.BetaVAE
    count : int
    seed : int

    Returns
    -------
    numpy.ndarray
        float32 (count, height, width, channel), of a sequence with frames before the height.
    numpy.ndarray
        float32 (count, k): the latents.
    """
    latents = numpy.random.default_rng(seed).normal(size=(count, model.latent_dim)).astype("float32")
    return numpy.asarray(model.decode(latents)), latents


def zeroed(model, means, selection):
    """Decode samples with single latents set to zero, where the prior has its mean.

    Parameters
    ----------
    model : network_models.layers.variational.BetaVAE
    means : numpy.ndarray
        (n, k), of the samples' posteriors.
    selection : sequence of int
        Latents, one zeroed at a time.

    Returns
    -------
    numpy.ndarray
        float32 (n, 2 + len(selection), height, width, channel): with all latents, without each, and with the selected ones
        alone; of a sequence with frames before the height.

    Examples
    --------
    >>> import types
    >>> model = types.SimpleNamespace(decode=lambda points: points[:, None, :, None])  # latents as pixels
    >>> zeroed(model, numpy.array([[1.0, 2.0, 3.0]]), [2, 0])[0, :, 0, :, 0].tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 0.0], [0.0, 2.0, 3.0], [1.0, 0.0, 3.0]]
    """
    selection = list(selection)
    kept = numpy.ones((2 + len(selection), means.shape[1]), "float32")
    for row, latent in enumerate(selection, start=1):
        kept[row, latent] = 0
    kept[-1] = 0
    kept[-1, selection] = 1
    points = numpy.asarray(means, "float32")[:, None] * kept
    decoded = [numpy.asarray(model.decode(part)) for part in points]
    return numpy.stack(decoded)


def draw_zeroed(path, images, decoded, selection, labels, *, title):
    """Draw `zeroed`: for each sample a row of image and reconstruction, then what the reconstruction loses with each latent.

    Parameters
    ----------
    path : pathlib.Path
    images : numpy.ndarray
        (n, height, width, channel), of sequences with frames: the last is drawn.
    decoded : numpy.ndarray
        From `zeroed`.
    selection : sequence of int
    labels : sequence of str
        Of the rows.
    title : str
    """
    shown = pictures.middle_frame(images)
    count, columns = decoded.shape[:2]
    rebuilt = pictures.middle_frame(decoded.reshape(count * columns, *decoded.shape[2:]))
    rebuilt = rebuilt.reshape(count, columns, *rebuilt.shape[1:])
    lost = rebuilt[:, :1] - rebuilt[:, 1:]
    limit = max(float(numpy.percentile(numpy.abs(lost), 99.8)), 1e-3)
    low, high = pictures.grey_range(shown)
    headings = [
        "image",
        "all latents",
        *(f"lost without {latent}" for latent in selection),
        f"lost but for\nthese {len(selection)}",
    ]
    with figures.style():
        size = (1.7 * (columns + 1) + 1.3, 1.75 * count + 1.1)
        figure, axes = figures.new(count, columns + 1, figsize=size, squeeze=False)
        for row in range(count):
            for panel, values in zip(axes[row], (shown[row], rebuilt[row, 0]), strict=False):
                grey = panel.imshow(values, cmap="gray", vmin=low, vmax=high)
            for panel, values in zip(axes[row, 2:], lost[row], strict=True):
                signed = panel.imshow(values, cmap=figures.SIGNED, vmin=-limit, vmax=limit)
            axes[row, 0].set_ylabel(labels[row], fontsize=10)
        for panel, words in zip(axes[0], headings, strict=True):
            panel.set_title(words, fontsize=10)
        _finish(figure, axes, grey, signed, title)
        figures.save(figure, path)


def extremes(activation, count):
    """Choose the samples of the lowest and of the highest activation of a latent.

    Parameters
    ----------
    activation : numpy.ndarray
        (n,).
    count : int
        Of each, at most half of the samples.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        int64 (count,).

    Examples
    --------
    >>> [places.tolist() for places in extremes(numpy.array([0.3, -2.0, 5.0, 1.0]), 1)]
    [[1], [2]]
    """
    order = numpy.argsort(activation, kind="stable")
    count = max(min(count, len(order) // 2), 1)
    return order[:count], order[-count:]


def draw_activations(path, encoded, read, selection, count, *, title):
    """Draw what images of low and of high activation look like on average: a row for each latent.

    Parameters
    ----------
    path : pathlib.Path
    encoded : science.latent_traversal.latents.Encoded
    read : callable
        ``read(time)`` returns the image of a sample.
    selection : sequence of int
        Latents.
    count : int
        Images that are averaged.
    title : str
    """
    rows = []
    for latent in selection:
        groups = extremes(encoded.mean[:, latent], count)
        means = [
            pictures.middle_frame(numpy.stack([read(encoded.times[place]) for place in group])).mean(0) for group in groups
        ]
        rows.append((groups, means))
    images = numpy.array([means for _, means in rows])
    difference = images[:, 1] - images[:, 0]
    limit = max(float(numpy.percentile(numpy.abs(difference), 99.8)), 1e-3)
    low, high = pictures.grey_range(images)
    with figures.style():
        figure, axes = figures.new(len(rows), 3, figsize=(7.6, 1.95 * len(rows) + 1.1), squeeze=False)
        for panels, latent, (groups, means), changed in zip(axes, selection, rows, difference, strict=True):
            for panel, group, values in zip(panels, groups, means, strict=False):
                grey = panel.imshow(values, cmap="gray", vmin=low, vmax=high)
                panel.set_title(f"activation {encoded.mean[group, latent].mean():.2f}", fontsize=10)
            signed = panels[2].imshow(changed, cmap=figures.SIGNED, vmin=-limit, vmax=limit)
            panels[2].set_title("high - low", fontsize=10)
            panels[0].set_ylabel(f"latent {latent}\n{encoded.kl[latent]:.2f} nats", fontsize=10)
        words = f"means of the {len(rows[0][0][0])} images of the lowest and of the highest activation"
        _finish(figure, axes, grey, signed, f"{title}\n{words}")
        figures.save(figure, path)


def _finish(figure, axes, grey, signed, title):
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    look = {"ax": list(axes.flat), "shrink": min(0.8, 4 / len(axes)), "aspect": 30}  # or bars of many rows grow wide
    figure.colorbar(signed, label="difference", format="%.2g", **look)
    figure.colorbar(grey, label="image", **look)
    figure.suptitle(title, fontsize=12)
