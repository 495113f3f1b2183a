"""Inputs of networks: shapes, logarithmic channels, and the layers that networks on images begin with."""

import dataclasses

from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Input:
    """An input of a network.

    Attributes
    ----------
    shape : tuple of int
        (height, width, channel) of an image, (frames, height, width, channel) of a sequence, (n,) of a vector.
    logarithmic : tuple of bool
        For each channel, whether it spans decades and a network takes its logarithm first. Empty: none does.

    Examples
    --------
    >>> Input((512, 512, 1))
    Input(shape=(512, 512, 1), logarithmic=())
    >>> Input((256, 256, 2), logarithmic=(True, False)).logarithmic
    (True, False)
    """

    shape: tuple[int, ...]
    logarithmic: tuple[bool, ...] = ()


def inputs_of(data):
    """Describe what a data set gives to a network.

    Parameters
    ----------
    data : dataset_models.solar_data.SolarData

    Returns
    -------
    dict of str to Input
        In the order of `SolarData.input_shapes`; images and sequences have the channels of the data set.
    """
    logarithmic = tuple(channel.logarithmic for channel in data.channels)
    return {name: Input(tuple(shape), logarithmic if len(shape) > 1 else ()) for name, shape in data.input_shapes.items()}


@dataclasses.dataclass(frozen=True)
class InputLayers:
    """Input layers of a network on images.

    Attributes
    ----------
    inputs : dict of str to Input
        One or several images of one size, and at most one vector.
    tensors : dict of str to keras.KerasTensor
        What a `keras.Model` takes, in the order of `inputs`.
    """

    inputs: dict[str, Input]
    tensors: dict

    @property
    def image_shape(self):
        """Height, width and channels of each image: tuple of int."""
        return next(given.shape for given in self.inputs.values() if len(given.shape) == 3)

    def stacked(self, layer_name, *, whitened=False):
        """Stack the images as channels of one.

        Parameters
        ----------
        layer_name : str
            Of the layer that stacks, where there are several images.
        whitened : bool
            Give each image a `network_models.layers.Whiten` of its own, called ``whiten_<input>``.

        Returns
        -------
        keras.KerasTensor
            Shape (n, height, width, channels of all images together).
        """
        import keras

        names = [name for name, given in self.inputs.items() if len(given.shape) == 3]
        images = [self._whitened(name) if whitened else self.tensors[name] for name in names]
        return keras.layers.Concatenate(name=layer_name)(images) if len(images) > 1 else images[0]

    def side_channel(self):
        """Whiten the vector: `keras.KerasTensor` (n, entries), or None without a vector.

        Its entries range from counts to hours, and would otherwise drown the features that they join.
        """
        return next((self._whitened(name) for name, given in self.inputs.items() if len(given.shape) == 1), None)

    def _whitened(self, name):
        from network_models.layers import Whiten

        given = self.inputs[name]
        logarithmic = given.logarithmic or (False,) * given.shape[-1]
        return Whiten(logarithmic, name=f"whiten_{name}")(self.tensors[name])


def image_inputs(inputs):
    """Make the input layers of a network on images.

    Parameters
    ----------
    inputs : dict of str to Input
        Images (height, width, channel) and at most one vector (n,).

    Returns
    -------
    InputLayers

    Raises
    ------
    UserError
        No image, images of different sizes, sequences, more than one vector.
    """
    import keras

    require_inputs(inputs)
    axes = [len(given.shape) for given in inputs.values()]
    if axes.count(3) + axes.count(1) != len(axes) or 3 not in axes or axes.count(1) > 1:
        raise UserError(f"the network takes images and at most one side channel; the data set has {described(inputs)}")
    images = {name: given for name, given in inputs.items() if len(given.shape) == 3}
    if len({given.shape[:2] for given in images.values()}) > 1:
        raise UserError(f"the network takes images of one size; the data set has {described(images)}")
    return InputLayers(inputs, {name: keras.Input(given.shape, name=name) for name, given in inputs.items()})


def require_inputs(inputs):
    """Raise a `UserError` unless all of `inputs` are `Input`: in earlier versions networks took plain shapes."""
    for name, given in inputs.items():
        if not isinstance(given, Input):
            raise UserError(
                f"input {name}: is {given!r}; give network_models.image_inputs.Input(shape), or inputs_of(data) for all"
                " inputs of a data set"
            )


def described(inputs):
    """Name inputs with their shapes, for messages: str."""
    return ", ".join(f"{name} {'x'.join(map(str, given.shape))}" for name, given in inputs.items()) or "none"
