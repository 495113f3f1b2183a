"""Files written while a beta-VAE trains, beside those of every network."""

import keras  # noqa: TID253 - defines Keras callbacks
import numpy

from dataset_models import simulation_mark
from tools import atomic_files, tables


class LatentKL(keras.callbacks.Callback):
    """After each epoch, the divergence of every latent in nats on both splits: latent_kl.csv and its picture.

    Columns are epoch, split, kl (the sum) and latent_0, latent_1, ... Training values are means over the epoch.

    Parameters
    ----------
    folder : network_models.run_folder.RunFolder
    title : str
    simulated : bool
        Marks the tables.
    every : int
        Training steps after which the means since the epoch's beginning go into latent_kl_steps.csv; 0: no such file.
    """

    def __init__(self, folder, title, *, simulated=False, every=0):
        super().__init__()
        self.path = folder.path / "latent_kl.csv"
        self.steps_path = folder.path / "latent_kl_steps.csv"
        self.every = every
        self.epoch = 0
        self.steps = []
        self.picture = folder.performance / "latent_kl.png"
        self.title = title
        self.mark = simulation_mark.row(simulated)
        self.rows = []
        self.training = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not self.every or (batch + 1) % self.every:
            return
        step = [self.epoch + 1, batch + 1]
        if self.steps and [int(number) for number in self.steps[-1][:2]] >= step:
            return  # a resumed epoch passes the steps again that were taken before
        self.steps.append([*step, *_numbers(numpy.asarray(self.model.latent_kl.result()))])
        if len(self.steps) == 1:
            self._write_steps()
            return
        with open(self.steps_path, "a", newline="", encoding="utf-8") as file:
            tables.Writer(file).writerow([*self.steps[-1], *self.mark.values()])

    def on_test_begin(self, logs=None):
        self.training = numpy.asarray(self.model.latent_kl.result())  # before validation starts the metric anew

    def on_epoch_end(self, epoch, logs=None):
        for split, values in (("training", self.training), ("validation", numpy.asarray(self.model.latent_kl.result()))):
            self.rows.append([epoch + 1, split, *_numbers(values)])
        self._write(self.path, "split", self.rows)
        self._draw()

    def _write_steps(self):
        self._write(self.steps_path, "step", self.steps)

    def _write(self, path, second, rows):
        with atomic_files.replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = tables.Writer(file)
            latents = [f"latent_{place}" for place in range(self.model.latent_dim)]
            writer.writerow(["epoch", second, "kl", *latents, *self.mark])
            writer.writerows([*row, *self.mark.values()] for row in rows)

    def _draw(self):
        from tools import figures

        rows = [row for row in self.rows if row[1] == "validation"]
        epochs = [int(row[0]) for row in rows]
        values = numpy.array([row[3:] for row in rows], "float64")
        strongest = numpy.argsort(-values[-1], kind="stable")
        with figures.style():
            figure, axes = figures.new(figsize=(7, 4.2))
            for rank, place in enumerate(strongest):
                named = rank < len(figures.PALETTE)
                look = {"color": figures.PALETTE[rank], "label": f"latent {place}"} if named else {"color": "0.8"}
                axes.plot(epochs, values[:, place], marker="o", markersize=3, zorder=2 if named else 1, **look)
            axes.set(xlabel="epoch", ylabel="divergence from the prior (nats)", title=f"{self.title}\nvalidation")
            axes.set_ylim(bottom=0)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="strongest")
            figures.save(figure, self.picture)

    # What --resume needs

    def state(self):
        return {"rows": self.rows, "steps": self.steps} if self.every else self.rows

    def restore(self, state):
        kept = state if isinstance(state, dict) else {"rows": state, "steps": []}
        self.rows, self.steps = kept["rows"], kept["steps"]

    def on_train_begin(self, logs=None):
        if self.steps:  # of a run that goes on: rows after the state that it continues from go
            self._write_steps()


def _numbers(values):
    """Write the sum of divergences and each of them: list of str."""
    return [f"{value:.6g}" for value in (values.sum(), *values)]


class Pictures(keras.callbacks.Callback):
    """After each epoch, reconstructions of the same validation images and images of random latents, in features/.

    Parameters
    ----------
    folder : RunFolder
    images : numpy.ndarray
        (n, height, width, channel) or (n, frames, height, width, channel), 0 to 1.
    seed : int
        Of the latents, which stay the same from epoch to epoch.
    channel : dataset_models.solar_data.Channel
        The first, which is drawn.
    title : str
    """

    def __init__(self, folder, images, *, seed, channel, title):
        super().__init__()
        self.folder = folder
        self.images = images
        self.seed = seed
        self.channel = channel
        self.title = title

    def on_epoch_end(self, epoch, logs=None):
        from . import pictures

        rebuilt = numpy.asarray(self.model.images(self.model(self.images, training=False)["output"]))
        latents = numpy.random.default_rng(self.seed).normal(size=(len(self.images), self.model.latent_dim))
        drawn = numpy.asarray(self.model.decode(latents.astype("float32")))
        number = f"{epoch + 1:02d}"
        pictures.reconstructions(
            self.folder.features / f"reconstructions_{number}.png",
            self.images,
            rebuilt,
            title=f"{self.title}, epoch {epoch + 1}: images and reconstructions",
        )
        pictures.grid(
            self.folder.features / f"samples_{number}.png",
            drawn,
            title=f"{self.title}, epoch {epoch + 1}: images of random latents",
        )
