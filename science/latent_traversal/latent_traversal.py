"""Traverse the latent variables of a beta-VAE: move each, and draw what changes.

    python science/latent_traversal/latent_traversal.py MODEL.hdf5 DATASET.py [--around TIME] [--out FOLDER]

Each latent from -3 to 3 around zero, or around the latents of a given sample, the strongest first, as one picture, and for
sequences as an animation; the divergence and activation of every latent; images, reconstructions and their
differences; images of random latents, what reconstructions lose without each latent, and the mean images of its lowest and
highest activations; what the latents correlate with. Everything goes into the run's features/.
"""

import numpy

from dataset_models import simulation_mark
from network_models.beta_vae import pictures
from science.explanation import subject as explanation
from science.latent_traversal import correlations, generated, latents
from tools import atomic_files, command_line, figures, tables
from tools.options import add_number

REACH = 3.0  # standard deviations of the prior
ZEROED = 6  # latents, the strongest, that are left out one at a time


def traverse(model, base, selection, *, reach=REACH, steps=7):
    """Decode images along lines through the latent space.

    Parameters
    ----------
    model : network_models.layers.variational.BetaVAE
    base : array_like (k,)
        The point from which latents are changed one at a time.
    selection : sequence of int
        Latents.
    reach : float
        Each takes values from -reach to reach.
    steps : int
        How many.

    Returns
    -------
    numpy.ndarray
        float32 (len(selection), steps, height, width, channel), of a sequence with frames before the height.
    numpy.ndarray
        float64 (steps,): the values.

    Examples
    --------
    >>> import types
    >>> model = types.SimpleNamespace(decode=lambda points: points[:, None, :, None])  # latents as pixels
    >>> images, values = traverse(model, [0.0, 5.0], [1], reach=2.0, steps=3)
    >>> images.shape, values.tolist(), images[0, :, 0, 1, 0].tolist()
    ((1, 3, 1, 2, 1), [-2.0, 0.0, 2.0], [-2.0, 0.0, 2.0])
    """
    values = numpy.linspace(-reach, reach, steps)
    rows = []
    for latent in selection:
        points = numpy.tile(numpy.asarray(base, "float32"), (steps, 1))
        points[:, latent] = values
        rows.append(numpy.asarray(model.decode(points)))
    return numpy.stack(rows), values


def draw_traversal(images, values, labels, path, *, title, frame=-1):
    """Draw a traversal: a row for each latent; the last column is the last image minus the first.

    Parameters
    ----------
    images, values : numpy.ndarray
        From `traverse`.
    labels : sequence of str
        Of the rows.
    path : pathlib.Path
    title : str
    frame : int
        Of sequences, which one.
    """
    with figures.style():
        figure = _figure(images, values, labels, title, frame)
        figures.save(figure, path)


def animate_traversal(images, values, labels, path, *, title, milliseconds=500):
    """Draw a traversal of sequences as an animated GIF that runs through the frames; arguments as of `draw_traversal`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    drawn = []
    count = images.shape[2]
    with figures.style():
        for frame in range(count):
            figure = _figure(images, values, labels, f"{title}, frame {frame + 1} of {count}", frame)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            drawn.append(Image.fromarray(numpy.asarray(canvas.buffer_rgba())[..., :3].copy()))
    with atomic_files.replacing(path) as temporary:
        remark = figures.metadata(figure, ".gif")
        drawn[0].save(temporary, save_all=True, append_images=drawn[1:], duration=milliseconds, loop=0, **remark)


def draw_latents(encoded, path, *, title):
    """Draw divergence and activation of every latent, the strongest first.

    Parameters
    ----------
    encoded : science.latent_traversal.latents.Encoded
    path : pathlib.Path
    title : str
    """
    order = encoded.order
    places = numpy.arange(len(order))
    spread = numpy.exp(0.5 * encoded.log_variance).mean(axis=0)
    with figures.style():
        figure, axes = figures.new(2, 1, figsize=(max(6, 0.34 * len(order) + 2), 6.4), sharex=True)
        axes[0].bar(places, encoded.kl[order], color=figures.PALETTE[0])
        axes[0].set(ylabel="divergence (nats)", title=title)
        axes[1].axhline(0, color="0.7", linewidth=1, zorder=0)
        look = {"fmt": "o", "color": figures.PALETTE[0], "capsize": 3, "label": "mean and spread of the samples' means"}
        axes[1].errorbar(places, encoded.mean.mean(axis=0)[order], encoded.mean.std(axis=0)[order], **look)
        axes[1].plot(places, spread[order], marker="_", linestyle="", color=figures.PALETTE[1], label="posterior's deviation")
        axes[1].set(ylabel="activation", xlabel="latent, by divergence", xticks=places, xticklabels=order)
        axes[1].tick_params(axis="x", labelsize="small")
        figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
        figures.save(figure, path)


def latent_table(encoded):
    """Tabulate divergence, mean and spread of every latent, the strongest first: `pandas.DataFrame`."""
    import pandas

    table = pandas.DataFrame(
        {
            "latent": numpy.arange(encoded.mean.shape[1]),
            "kl": encoded.kl,
            "mean_activation": encoded.mean.mean(axis=0),
            "spread": encoded.mean.std(axis=0),
            "mean_absolute_activation": numpy.abs(encoded.mean).mean(axis=0),
            "posterior_deviation": numpy.exp(0.5 * encoded.log_variance).mean(axis=0),
        }
    )
    return table.loc[encoded.order].reset_index(drop=True)


def _figure(images, values, labels, title, frame):
    shown = images[:, :, frame, ..., 0] if images.ndim == 6 else images[..., 0]
    rows, columns = shown.shape[:2]
    difference = shown[:, -1] - shown[:, 0]
    limit = max(float(numpy.percentile(numpy.abs(difference), 99.8)), 1e-3)
    size = (1.25 * (columns + 1) + 1.6, 1.25 * rows + 0.9)
    figure, axes = figures.new(rows, columns + 1, figsize=size, squeeze=False)
    low, high = grey_range(shown)
    for row in range(rows):
        for column in range(columns):
            axes[row, column].imshow(shown[row, column], cmap="gray", vmin=low, vmax=high)
        drawn = axes[row, -1].imshow(difference[row], cmap=figures.SIGNED, vmin=-limit, vmax=limit)
        axes[row, 0].set_ylabel(labels[row], fontsize=9)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    for panel, value in zip(axes[0], values, strict=False):
        panel.set_title(f"{value:g}" if abs(value) > 1e-9 else "0", fontsize=9)
    axes[0, -1].set_title("last - first", fontsize=9)
    figure.colorbar(drawn, ax=list(axes[:, -1]), ticks=[-limit, 0, limit], format="%.2g", aspect=30)
    figure.suptitle(f"{title}; grey from {low:.3g} to {high:.3g}", fontsize=11)
    return figure


def grey_range(images):
    """Choose the values drawn black and white: 0 and 1, or nearer to 0.5 (no field) where latents change magnetograms little.

    Intensities, whose sky is black, are drawn from 0 to the brightest where that is below 0.5.

    Parameters
    ----------
    images : numpy.ndarray
        (latents, steps, height, width).

    Returns
    -------
    float, float
    """
    change = numpy.abs(images - images.mean(axis=1, keepdims=True))
    reach = 3 * float(numpy.percentile(change, 99.8))
    if 0.005 < reach < 0.4 and abs(float(numpy.median(images)) - 0.5) < 0.1:
        return 0.5 - reach, 0.5 + reach
    return pictures.grey_range(images)


def _base(subject, around):
    """Find latents and name of the point that is traversed from."""
    if around is None:
        return numpy.zeros(subject.model.latent_dim), "zero"
    image, label = latents.image_of(subject, around)
    return numpy.asarray(subject.model.encoder(image[None], training=False)[0])[0], label


def write(
    folder,
    subject,
    encoded,
    *,
    around=None,
    count=10,
    steps=7,
    reach=REACH,
    strips=8,
    samples=16,
    zeroed=4,
    extremes=16,
    seed=0,
):
    """Write all pictures and tables of a latent space.

    Parameters
    ----------
    folder : pathlib.Path
    subject : science.explanation.subject.Subject
        From `latents.load`.
    encoded : latents.Encoded
    around : str, optional
        Image file, or time of a sample, whose latents are the base of the traversal; zero without it.
    count : int
        Latents drawn at most.
    steps, reach
        As of `traverse`.
    strips : int
        Reconstructions shown.
    samples : int
        Images of random latents; 0: none.
    zeroed : int
        Samples reconstructed without single latents; 0: none.
    extremes : int
        Images averaged at either end of each latent's activations; 0: no such picture.
    seed : int
        Of the random latents.
    """
    base, name = _base(subject, around)
    images = subject.data
    selection = encoded.order[: min(count, len(encoded.order))]
    traversal, values = traverse(subject.model, base, selection, reach=reach, steps=steps)
    labels = [f"latent {place}\n{encoded.kl[place]:.2f} nats" for place in selection]
    heading = figures.title(images.title, simulated=images.simulated)
    title = f"{heading}: latents around {name}"
    places = numpy.unique(numpy.linspace(0, len(encoded.times) - 1, min(strips, len(encoded.times))).astype(int))
    shown = numpy.stack([images.image(time) for time in encoded.times[places]])
    rebuilt = numpy.asarray(subject.model.images(subject.model(shown, training=False)["output"]))
    with atomic_files.results(folder) as unfinished:
        draw_traversal(traversal, values, labels, unfinished / "traversal.png", title=title)
        if images.is_sequence:
            animate_traversal(traversal, values, labels, unfinished / "traversal.gif", title=title)
        draw_latents(encoded, unfinished / "latents.png", title=heading)
        tables.write(unfinished / "latents.csv", simulation_mark.marked(latent_table(encoded), images.simulated))
        labels = [f"{images.sample_name(encoded.times[place])}\n{encoded.error[place]:.0f} nats" for place in places]
        strip = unfinished / "reconstructions.png"
        pictures.reconstructions(strip, shown, rebuilt, labels=labels, title=f"{heading}: reconstructions")
        arrays = {}
        if samples:
            arrays["samples"], arrays["sample_latents"] = generated.samples(subject.model, samples, seed=seed)
            title = f"{heading}: images of {samples} random latents"
            pictures.grid(unfinished / "samples.png", arrays["samples"], title=title)
        if zeroed:
            few, several = places[:zeroed], selection[:ZEROED]
            decoded = generated.zeroed(subject.model, encoded.mean[few], several)
            title = f"{heading}: reconstructions without single latents"
            generated.draw_zeroed(unfinished / "zeroed.png", shown[:zeroed], decoded, several, labels[:zeroed], title=title)
        if extremes:
            path = unfinished / "activations.png"
            generated.draw_activations(path, encoded, images.image, selection, extremes, title=heading)
        correlations.write(unfinished, subject, encoded)
        arrays |= {key: getattr(encoded, key) for key in ("times", "splits", "mean", "log_variance", "error", "squares")}
        arrays |= {"traversal": traversal, "values": values}
        explanation.write_arrays(unfinished / "latents.npz", simulated=images.simulated, **arrays)


def main(arguments=None):
    """Traverse the latents of one beta-VAE."""

    def add(parser):
        parser.add_argument("--around", metavar="IMAGE", help="image file, or time of a sample, to start from (default: zero)")
        add_number(parser, "--count", int, least=1, most=10_000, default=10, help="latents drawn, the strongest (default: 10)")
        add_number(parser, "--steps", int, least=2, most=1000, default=7, help="images per latent (default: 7)")
        add_number(
            parser,
            "--reach",
            float,
            least=1e-6,
            most=100 - 1e-6,
            says="must be above 0 and below 100",
            default=REACH,
            help="largest value of a latent (default: 3)",
        )
        add_number(parser, "--strips", int, least=1, most=1000, default=8, help="reconstructions shown (default: 8)")
        add_number(parser, "--samples", int, least=0, most=10_000, default=16, help="images of random latents (default: 16)")
        add_number(parser, "--zeroed", int, least=0, most=1000, default=4, help="images rebuilt without latents (default: 4)")
        add_number(
            parser, "--extremes", int, least=0, most=10_000, default=16, help="images averaged at low and high activation (16)"
        )
        add_number(parser, "--seed", int, least=0, most=2**32 - 1, default=0, help="of the random latents (default: 0)")
        add_number(parser, "--batch", int, least=1, most=65_536, default=16, help="images at once (default: 16)")

    flags, given = explanation.parse(arguments, __doc__, add=add, image=False)
    subject = latents.load(flags.model, flags.dataset, given)
    folder = explanation.output_folder(subject, "features", flags.out)
    encoded = latents.encode(subject, batch_size=flags.batch)
    keywords = {
        "around": flags.around,
        "count": flags.count,
        "steps": flags.steps,
        "reach": flags.reach,
        "strips": flags.strips,
        "samples": flags.samples,
        "zeroed": flags.zeroed,
        "extremes": flags.extremes,
        "seed": flags.seed,
    }
    write(folder, subject, encoded, **keywords)
    active = int((encoded.kl > latents.ACTIVE).sum())
    print(f"{len(encoded.times)} samples; {active} of {len(encoded.kl)} latents above {latents.ACTIVE} nats")
    for row in latent_table(encoded).head(flags.count).itertuples():
        print(f"  latent {row.latent:3d}  {row.kl:7.3f} nats  spread {row.spread:.2f}")
    print(f"files in {folder}")


if __name__ == "__main__":
    command_line.run(main)
