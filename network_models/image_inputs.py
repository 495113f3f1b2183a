"""Inputs of a network on images: one or several images of one size, and at most one side channel."""

from tools.errors import UserError


def image_inputs(input_shapes):
    """Input layers of a network on images.

    Parameters
    ----------
    input_shapes : dict of str to tuple of int
        As `SolarData.input_shapes`: images (height, width, channel) and at most one vector (n,).

    Returns
    -------
    inputs : dict of str to keras.KerasTensor
        In the order of `input_shapes`.
    images : list of str
        Names of those that are images.
    vector : str or None
        Name of the one that is not.

    Raises
    ------
    UserError
        No image, images of different sizes, sequences, more than one vector.
    """
    import keras

    images = {name: shape for name, shape in input_shapes.items() if len(shape) == 3}
    vectors = [name for name, shape in input_shapes.items() if len(shape) == 1]
    if len(images) + len(vectors) != len(input_shapes) or not images or len(vectors) > 1:
        raise UserError(f"the network takes images and at most one side channel; the data set has {described(input_shapes)}")
    if len({tuple(shape[:2]) for shape in images.values()}) > 1:
        raise UserError(f"the network takes images of one size; the data set has {described(images)}")
    inputs = {name: keras.Input(tuple(shape), name=name) for name, shape in input_shapes.items()}
    return inputs, list(images), vectors[0] if vectors else None


def described(shapes):
    """Names and shapes of inputs in words."""
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()) or "none"
