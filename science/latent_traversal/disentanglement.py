"""Measure whether each latent of a beta-VAE stands for one hidden variable, on the simulated Sun.

    python science/latent_traversal/disentanglement.py RUN [RUN ...] --out FOLDER

Each RUN is a run folder of network_models/beta_vae/train.py on the simulated Sun. Mutual information gap and SAP score
of each, and mean and spread over the seeds of each beta; the mutual information of latents and factors as a picture.
"""

import dataclasses
import pathlib

import numpy

from dataset_models import simulation_mark
from science.latent_traversal import latents
from tools import atomic_files, command_line, figures
from tools.errors import UserError

BINS = 20


@dataclasses.dataclass(frozen=True)
class Disentanglement:
    """Measures of one network.

    Attributes
    ----------
    factors : tuple of str
    information : numpy.ndarray
        float64 (k, factors): mutual information of latent and factor, as a share of the factor's entropy, both above
        what chance gives: 0 for independent ones, 1 where the latent determines the factor.
    explained : numpy.ndarray
        float64 (k, factors): share of the factor's variance that is linear in the latent.
    """

    factors: tuple[str, ...]
    information: numpy.ndarray
    explained: numpy.ndarray

    @property
    def gaps(self):
        """Mutual information gap of each factor: the best latent's share minus the second best's."""
        return _gap(self.information)

    @property
    def mig(self):
        """Mutual information gap (Chen et al. 2018), mean over factors: float."""
        return float(self.gaps.mean())

    @property
    def sap(self):
        """SAP score (Kumar et al. 2018), mean over factors: float."""
        return float(_gap(self.explained).mean())


def measure(mean, factors, *, bins=BINS):
    """Measure disentanglement.

    Parameters
    ----------
    mean : numpy.ndarray
        (n, k): means of the posterior.
    factors : dict of str to numpy.ndarray
        (n,) each; NaN leaves a sample out for this factor. Those that do not vary are left out.
    bins : int
        Latents and factors are cut into so many bins of equally many samples, and into the square root of the number
        of samples where that is fewer.

    Returns
    -------
    Disentanglement

    Raises
    ------
    UserError
        There are fewer than two latents, or no factor varies.

    Notes
    -----
    Unlike Chen et al. (2018), who draw 10,000 samples: the mutual information of few samples in bins is too large even
    for independent variables. Its exact mean over all shufflings is subtracted (Vinh, Epps and Bailey 2010), and what
    falls below 0 is 0.
    """
    if mean.shape[1] < 2:
        raise UserError("disentanglement needs at least two latents")
    names, information, explained = [], [], []
    for name, values in factors.items():
        usable = numpy.isfinite(values)
        if usable.sum() < bins or numpy.ptp(values[usable]) == 0:
            continue
        fewer = min(bins, int(usable.sum() ** 0.5))  # with emptier ones, chance alone explains nearly all
        factor = binned(values[usable], fewer)
        names.append(name)
        information.append([shared_information(binned(column[usable], fewer), factor) for column in mean.T])
        explained.append([_explained(column[usable], values[usable]) for column in mean.T])
    if not names:
        raise UserError("no factor varies; simulate more days")
    return Disentanglement(tuple(names), numpy.array(information).T, numpy.array(explained).T)


def binned(values, bins=BINS):
    """Convert values to numbers of bins of equally many samples: int64 (n,). Few distinct values keep a bin each.

    Examples
    --------
    >>> import numpy
    >>> binned(numpy.array([0.1, 0.2, 0.3, 10.0, 20.0, 30.0]), 3)
    array([0, 0, 1, 1, 2, 2])
    """
    distinct = numpy.unique(values)
    if len(distinct) <= bins:
        return numpy.searchsorted(distinct, values)
    edges = numpy.unique(numpy.quantile(values, numpy.linspace(0, 1, bins + 1)[1:-1]))
    return numpy.searchsorted(edges, values, "right")


def shared_information(latent, factor):
    """Compute the mutual information of two binned variables above chance, as a share of the most above chance.

    Parameters
    ----------
    latent, factor : numpy.ndarray
        Numbers of bins, int (n,).

    Returns
    -------
    float
        0 to 1.
    """
    from sklearn.metrics import mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

    table = contingency_matrix(latent, factor, sparse=True, dtype="int64")
    chance = float(expected_mutual_information(table, len(factor)))
    above, most = mutual_info_score(latent, factor) - chance, mutual_info_score(factor, factor) - chance
    return float(numpy.clip(above / most, 0, 1)) if most > 1e-12 else 0.0


def factors_of(data, times):
    """Collect the hidden variables of a simulated Sun at times: dict of str to float64 (n,).

    Raises
    ------
    UserError
        The data set has no known hidden variables.
    """
    if not hasattr(data, "ground_truth"):
        raise UserError(f"{data.title}: its hidden variables are not known; disentanglement is measured on the simulated Sun")
    rows = [data.ground_truth.factors(time) for time in times]
    return {name: numpy.array([row[name] for row in rows]) for name in rows[0]}


def measure_run(path, *, batch_size=64):
    """Measure the best network of a run folder on all of its samples.

    Parameters
    ----------
    path : str or pathlib.Path
    batch_size : int

    Returns
    -------
    Disentanglement, latents.Encoded, dict
        And the run's settings.
    """
    from network_models.run_folder import RunFolder, resolve_dataset

    run = RunFolder.open(path)
    settings = run.settings()
    subject = latents.load(run.best, resolve_dataset(settings["dataset"]))
    factors = factors_of(
        subject.data.data, numpy.concatenate([subject.data.times(split) for split in ("training", "validation")])
    )
    encoded = latents.encode(subject, batch_size=batch_size)
    return measure(encoded.mean, factors), encoded, settings


def draw(measures, order, path, *, title):
    """Draw the mutual information of latents and factors.

    Parameters
    ----------
    measures : Disentanglement
    order : sequence of int
        Latents as they are drawn.
    path : pathlib.Path
    title : str
    """
    with figures.style():
        figure, axes = figures.new(figsize=(0.6 * len(measures.factors) + 3, 0.34 * len(order) + 3.4))
        shown = measures.information[order]
        drawn = axes.imshow(shown, cmap="viridis", vmin=0, vmax=max(float(shown.max()), 0.1), aspect="auto")
        axes.set(
            xticks=range(len(measures.factors)), yticks=range(len(order)), yticklabels=order, ylabel="latent, by divergence"
        )
        axes.set_xticklabels(measures.factors, rotation=35, ha="right", rotation_mode="anchor", fontsize="small")
        axes.set_title(title, fontsize=11)
        figure.colorbar(drawn, label="mutual information / entropy")
        figures.save(figure, path)


def _gap(values):
    ranked = numpy.sort(values, axis=0)
    return ranked[-1] - ranked[-2]


def _explained(latent, factor):
    if numpy.ptp(latent) == 0:
        return 0.0
    return float(numpy.corrcoef(latent, factor)[0, 1] ** 2)


def main(arguments=None):
    """Measure the given runs."""
    parser = command_line.parser(__doc__, draws=True)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", type=pathlib.Path, help="run folder of a beta-VAE on the simulated Sun"
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="for the table and the pictures")
    flags = parser.parse_args(arguments)
    import pandas

    rows = []
    for path in flags.runs:
        measures, encoded, settings = measure_run(path)
        beta, seed = settings["network_options"]["beta"], settings["training_options"]["seed"]
        squares, active = encoded.squares.mean(), int((encoded.kl > latents.ACTIVE).sum())
        row = {"run": path.name, "beta": beta, "seed": seed, "mig": measures.mig, "sap": measures.sap, "kl": encoded.kl.sum()}
        rows.append(row | {"active_latents": active, "mean_squared_error": squares})
        rows[-1] |= {f"gap: {name}": gap for name, gap in zip(measures.factors, measures.gaps, strict=True)}
        title = f"simulated Sun, beta {beta:g}, seed {seed}: MIG {measures.mig:.3f}, SAP {measures.sap:.3f}"
        draw(measures, encoded.order, flags.out / f"information_beta{beta:g}_seed{seed}.png", title=title)
    table = pandas.DataFrame(rows)
    atomic_files.write_table(flags.out / "disentanglement.csv", simulation_mark.marked(table.round(6), True))
    shown = ["mig", "sap", "kl", "active_latents", "mean_squared_error"]
    print(f"{'beta':>6} {'runs':>5}" + "".join(f"{name:>26}" for name in shown))
    for beta, group in table.groupby("beta"):
        cells = [f"{group[name].mean():.4f} ± {group[name].std(ddof=0):.4f}" for name in shown]
        print(f"{beta:6g} {len(group):5d}" + "".join(f"{cell:>26}" for cell in cells))
    print(f"files in {flags.out}")


if __name__ == "__main__":
    command_line.run(main)
