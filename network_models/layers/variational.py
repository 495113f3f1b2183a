"""Variational autoencoders: the layers, the metric and the model class that every one of the project is made of."""

import math

import keras

LOSSES = ("bernoulli", "gaussian")
# Standard deviation of a pixel under the Gaussian loss for which it is 255 times the summed squared error, as in the
# code that the published weights come from.
DEVIATION = 1 / math.sqrt(2 * 255)


@keras.saving.register_keras_serializable(package="solar")
class MeanAndLogVariance(keras.layers.Layer):
    """Split (n, 2 k), in which mean and log-variance alternate, into mean (n, k) and log-variance (n, k), float32."""

    def build(self, shape):
        if shape[-1] % 2:
            raise ValueError(f"Expected an even number of units. Received: {shape[-1]}")

    def call(self, x):
        pairs = keras.ops.reshape(keras.ops.cast(x, "float32"), (-1, x.shape[-1] // 2, 2))
        return pairs[..., 0], pairs[..., 1]


@keras.saving.register_keras_serializable(package="solar")
class Sampling(keras.layers.Layer):
    """A point of the latent space drawn from the posterior in training, its mean otherwise.

    Takes [mean, log-variance], each (n, k), and returns (n, k): mean + exp(log-variance / 2) x noise.

    Parameters
    ----------
    seed : int
        Of the noise. The state of the generator is a variable of the layer, so that a resumed run draws what an
        uninterrupted one would.
    """

    def __init__(self, seed=0, **keywords):
        super().__init__(**keywords)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, shapes):
        pass

    def call(self, inputs, training=None):
        mean, log_variance = inputs
        if not training:
            return mean
        noise = keras.random.normal(keras.ops.shape(mean), dtype="float32", seed=self.generator)
        return mean + keras.ops.exp(0.5 * log_variance) * noise

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="solar")
class RemoveMean(keras.layers.Layer):
    """Subtract the mean image of the training split and divide by the deviation from it.

    What all images share, such as the disk itself, is then no business of the latents. Both are weights that are not
    trained: they are saved with the model, see `network_models.beta_vae.reconstruction.start_at_mean_image`. Without that
    images pass as they are.
    """

    def build(self, shape):
        self.mean = self.add_weight(name="mean", shape=shape[1:], initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=(), initializer="ones", trainable=False)

    def call(self, x):
        return (x - keras.ops.cast(self.mean, x.dtype)) / keras.ops.cast(self.deviation, x.dtype)

    def set_statistics(self, mean, deviation):
        """Store the mean image and the deviation (a number above 0)."""
        self.mean.assign(mean)
        self.deviation.assign(deviation)


@keras.saving.register_keras_serializable(package="solar")
class AddMean(RemoveMean):
    """The opposite of `RemoveMean`, for the output of a decoder; of logits, where its statistics are those of logits."""

    def call(self, x):
        return x * keras.ops.cast(self.deviation, x.dtype) + keras.ops.cast(self.mean, x.dtype)


class MeanVector(keras.metrics.Metric):
    """The mean over samples of a vector, for example of the divergence of each latent variable.

    Parameters
    ----------
    size : int
        Length k of the vector.
    """

    def __init__(self, size, name="mean_vector"):
        super().__init__(name=name)
        self.total = self.add_variable(shape=(size,), initializer="zeros", name="total")
        self.samples = self.add_variable(shape=(), initializer="zeros", name="samples")

    def update_state(self, values, sample_weight=None):
        """Add a batch: `values` (n, k), and how much each counts (n,)."""
        weight = keras.ops.ones_like(values[:, 0]) if sample_weight is None else sample_weight
        self.total.assign_add(keras.ops.sum(weight[:, None] * values, axis=0))
        self.samples.assign_add(keras.ops.sum(weight))

    def result(self):
        return self.total / keras.ops.maximum(self.samples, 1.0)


def divergence(mean, log_variance):
    """Compute the Kullback-Leibler divergence, in nats, of each latent's posterior from the standard normal prior.

    Parameters
    ----------
    mean, log_variance : tensor or array (n, k)

    Returns
    -------
    tensor (n, k)
    """
    return 0.5 * (keras.ops.square(mean) + keras.ops.exp(log_variance) - 1.0 - log_variance)


def reconstruction_error(image, output, *, loss, deviation=DEVIATION):
    """Negative log-likelihood, in nats, of images under what the decoder returns.

    Parameters
    ----------
    image, output : tensor (n, ...)
        The decoder's output is the logit of the pixels for a Bernoulli loss, the pixels themselves for a Gaussian one.
    loss : str
        Of `LOSSES`. The Gaussian leaves out the constant that depends on `deviation` alone.
    deviation : float
        Of a pixel, for the Gaussian loss.

    Returns
    -------
    tensor (n,)
        Summed over pixels.
    """
    axes = tuple(range(1, len(image.shape)))
    if loss == "bernoulli":
        return keras.ops.sum(keras.ops.binary_crossentropy(image, output, from_logits=True), axis=axes)
    return keras.ops.sum(keras.ops.square(image - output), axis=axes) / (2 * deviation**2)


@keras.saving.register_keras_serializable(package="solar")
class BetaVAE(keras.Model):
    """A beta-VAE (Higgins et al. 2017): reconstruction error + beta x divergence of the latents from their prior.

    With a capacity the divergence is instead held near a value that grows in training (Burgess et al. 2018):
    reconstruction error + weight x abs(divergence - capacity).

    Parameters
    ----------
    encoder : keras.Model
        One input (n, ...), outputs [mean, log-variance], each (n, k).
    decoder : keras.Model
        (n, k) -> (n, ...), the logits of the pixels for a Bernoulli loss, the pixels for a Gaussian one.
    beta : float
    loss : str
        Of `LOSSES`.
    deviation : float
        Of a pixel, for the Gaussian loss.
    annealing_steps : int
        Training steps over which the weight of the divergence grows linearly from 0.
    capacity : float
        Nats that the divergence is held near at the end; 0: none, beta counts.
    capacity_steps : int
        Training steps over which the capacity grows linearly from 0.
    capacity_weight : float
        Of the difference to the capacity.
    disk : float
        Share of half the image's width from the centre beyond which images were blanked, 0: none. The model does not do
        it; it is kept here for who hands it images (`network_models.beta_vae.unit_images`).
    seed : int
        Of the sampling.
    deterministic : bool
        Nothing is sampled and there is no divergence: an autoencoder, whose features are the means.

    Notes
    -----
    Takes the images, or a dict with them as its only entry, and returns a dict of ``output`` (of the decoder), ``mean``
    and ``log_variance``. Sampling takes place in training only. The reconstruction is a sum over pixels, the divergence
    one over latents; both are means over the samples of a batch. Samples may come with weights, as those of
    `network_models.distribution.weighted_batches`: then both are sums of what each sample has times its weight.
    """

    def __init__(
        self,
        encoder,
        decoder,
        *,
        beta=1.0,
        loss="bernoulli",
        deviation=DEVIATION,
        annealing_steps=0,
        capacity=0.0,
        capacity_steps=1,
        capacity_weight=100.0,
        disk=0.0,
        seed=0,
        deterministic=False,
        **keywords,
    ):
        super().__init__(**keywords)
        if loss not in LOSSES:
            raise ValueError(f"Expected loss of {LOSSES}. Received: {loss!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        self.likelihood = loss
        self.deviation = deviation
        self.annealing_steps = annealing_steps
        self.capacity = capacity
        self.capacity_steps = capacity_steps
        self.capacity_weight = capacity_weight
        self.disk = disk
        self.seed = seed
        self.deterministic = deterministic
        self.sampling = Sampling(seed, name="sampling", dtype="float32")
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", trainable=False, aggregation="only_first_replica"
        )
        self.mean_loss = keras.metrics.Mean(name="mean_loss")
        self.error = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")
        self.latent_kl = MeanVector(self.latent_dim, name="latent_kl")

    @property
    def latent_dim(self):
        """Number of latent variables: int."""
        return self.encoder.outputs[0].shape[-1]

    @property
    def image_shape(self):
        """Shape of an input without the batch axis: (height, width, channel), or with frames before it."""
        return tuple(self.encoder.inputs[0].shape[1:])

    def build(self, shape):
        self.sampling.build([(None, self.latent_dim)] * 2)

    def call(self, inputs, training=None):
        mean, log_variance = self.encoder(_image(inputs), training=training)
        latents = mean if self.deterministic else self.sampling([mean, log_variance], training=training)
        return {"output": self.decoder(latents, training=training), "mean": mean, "log_variance": log_variance}

    def images(self, output):
        """Turn the output of the decoder into pixels: tensor (n, ...)."""
        return keras.ops.sigmoid(output) if self.likelihood == "bernoulli" else keras.ops.convert_to_tensor(output)

    def decode(self, latents):
        """Images of points of the latent space: tensor (n, k) -> tensor (n, ...)."""
        return self.images(self.decoder(latents, training=False))

    def divergence(self, outputs):
        """Compute the divergence of each latent, in nats, of what a call returned: tensor (n, k)."""
        if self.deterministic:
            return keras.ops.zeros_like(outputs["mean"])
        return divergence(outputs["mean"], outputs["log_variance"])

    def reconstruction_error(self, image, output):
        """Call the function of this name with this model's loss: tensor (n,)."""
        return reconstruction_error(image, output, loss=self.likelihood, deviation=self.deviation)

    def weighted_divergence(self, kl, *, training=True):
        """Weight the mean divergence of a batch (nats) adds to the loss, or without a capacity that of each sample: tensor.

        In training at this step; otherwise as at the end of annealing and growth, so that validation losses of different
        epochs can be compared.
        """
        annealed = target = 1.0
        if training and self.annealing_steps:
            annealed = keras.ops.minimum(self.step / self.annealing_steps, 1.0)
        if not self.capacity:
            return annealed * self.beta * kl
        if training:
            target = keras.ops.minimum(self.step / self.capacity_steps, 1.0)
        target = target * self.capacity
        return annealed * self.capacity_weight * keras.ops.abs(kl - target)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        error = self.reconstruction_error(_image(x), y_pred["output"])
        latent = self.divergence(y_pred)
        kl = keras.ops.sum(latent, axis=-1)
        if sample_weight is None:
            counting = keras.ops.ones_like(kl)
            loss = keras.ops.mean(error) + self.weighted_divergence(keras.ops.mean(kl), training=training)
            losses = loss * counting
        else:
            weight = keras.ops.reshape(sample_weight, (-1,))
            counting = keras.ops.cast(weight > 0, kl.dtype)
            losses = error + self.weighted_divergence(kl, training=training)
            loss = keras.ops.sum(weight * losses)
        for metric, values in ((self.mean_loss, losses), (self.error, error), (self.kl, kl), (self.latent_kl, latent)):
            metric.update_state(values, sample_weight=counting)
        if training:
            self.step.assign_add(1.0)
        return loss

    def get_metrics_result(self):
        """Return the results as Keras does, without the vector of divergences, which progress bars cannot show."""
        return {metric.name: metric.result() for metric in self.metrics if metric is not self.latent_kl}

    def get_config(self):
        return {
            "name": self.name,
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "beta": self.beta,
            "loss": self.likelihood,
            "deviation": self.deviation,
            "annealing_steps": self.annealing_steps,
            "capacity": self.capacity,
            "capacity_steps": self.capacity_steps,
            "capacity_weight": self.capacity_weight,
            "disk": self.disk,
            "seed": self.seed,
            "deterministic": self.deterministic,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("encoder", "decoder")
        }
        model = cls(**{**config, **parts})
        model.build(None)
        return model


# Keras looks up the class of a whole model in an .hdf5 file by its plain name.
keras.saving.get_custom_objects()["BetaVAE"] = BetaVAE


def _image(inputs):
    return next(iter(inputs.values())) if isinstance(inputs, dict) else inputs
