"""Objectives of training: the part of a run that differs between forecasts and other tasks."""

import abc


class Objective(abc.ABC):
    """A task, as `network_models.experiment.run` uses it.

    Attributes
    ----------
    data : dataset_models.solar_data.SolarData
        The data that the network is given.
    label : str
        Name of the loss, with its unit, for pictures.
    title : str
        Title of the same pictures.
    class_weights : sequence of float or None
        Weights of samples without and with an event in the loss (`network_models.distribution.weighted_batches`).
    """

    class_weights = None

    @abc.abstractmethod
    def start(self, network):
        """Give a new network what it takes from the training split; damaged images raise here.

        Called before anything is written.
        """

    def trained_part(self, network):
        """Return the model that ``fit`` trains, which shares the weights of the network that is saved: keras.Model."""
        return network

    @abc.abstractmethod
    def compile(self, model, *, replicas):
        """Compile a trained part, its optimizer built.

        With several replicas, or class weights, the loss must be the sum of w l over the samples given, w being the weights
        that come with them; `network_models.distribution.weighted_batches` has the whole way of a loss. A metric ``mean_loss``,
        if there is one, is reported as the loss.

        Parameters
        ----------
        model : keras.Model
        replicas : int
            Devices or processes over which each batch is spread.

        Raises
        ------
        UserError
            The model cannot be trained for this.
        """

    def targets(self, split):
        """Return what the trained part is trained for, in the order of times: float32 (n,), or (n, k) for a loss of its own.

        Of (n, k) the first column is what class weights and metrics go by: whether there is an event.
        """
        return self.data.targets(split)

    def build_metrics(self, model):  # noqa: B027 - nothing to do where they are made with the model
        """Make the variables of the model's metrics, where Keras would do so only in the first step."""

    def pictures(self, model, folder, epoch, count):
        """Draw what TensorBoard shows after an epoch, of `count` validation samples where it is of samples.

        Parameters
        ----------
        model : keras.Model
            The part that is trained.
        folder : network_models.run_folder.RunFolder
        epoch : int
            From 1.
        count : int

        Returns
        -------
        dict of str to numpy.ndarray
            By tag, uint8 (height, width, 3).
        """
        return {}

    def last_pictures(self, folder):
        """Draw what TensorBoard shows of the best network, once `scores` is done: as `pictures`."""
        return {}

    def callbacks(self, folder):
        """Return the writers of further files: list of keras.callbacks.Callback; ``state`` and ``restore`` are kept."""
        return []

    @abc.abstractmethod
    def scores(self, folder, *, batch_size):
        """Write what the best network makes of the validation split, and return its scores.

        Parameters
        ----------
        folder : network_models.run_folder.RunFolder
        batch_size : int

        Returns
        -------
        dict of str to float
        """
