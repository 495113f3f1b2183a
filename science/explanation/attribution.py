"""What every explanation method returns: the map, what was explained, and the checks that the method has of itself."""

import dataclasses

import numpy

COMPLETE = 0.01  # relative residual up to which a map counts as complete


@dataclasses.dataclass(frozen=True)
class Attribution:
    """An explanation of a network's output for some samples.

    Attributes
    ----------
    method : str
        In words.
    maps : dict of str to numpy.ndarray
        float32 by model input name, of the inputs' shapes (n, ...); of methods that tell places only (Grad-CAM,
        attention) (n, height, width, 1), for images alone.
    outputs : numpy.ndarray
        float (n,): the logit or regression output that is explained.
    target : int
        Which output.
    target_tensor : str
        What was explained, and for methods that read a layer its tensor.
    parameters : dict
        Plain values that repeat it.
    residual : numpy.ndarray, optional
        float64 (n,): |sum of the map - (f(x) - f(baseline))| / |f(x) - f(baseline)|, for methods that promise 0.
    relu_count : int, optional
        ReLU operations whose backward pass was replaced.
    notes : tuple of str
    difference : dict of str to numpy.ndarray, optional
        What the maps are products with: the image, or its difference to a baseline. Comparisons of networks divide by
        it, since otherwise any two maps are alike where the image is dark.
    derivative : int
        1 for maps that are gradients, 2 for squares and variances of these, 0 for those in units of the output or in
        none: what the units of a channel mean for the map, see `science.explanation.subject.meant`.
    """

    method: str
    maps: dict[str, numpy.ndarray]
    outputs: numpy.ndarray
    target: int
    target_tensor: str
    parameters: dict
    residual: numpy.ndarray | None = None
    relu_count: int | None = None
    notes: tuple[str, ...] = ()
    difference: dict[str, numpy.ndarray] | None = None
    derivative: int = 0

    def multipliers(self, name):
        """The map of an input without what it was multiplied by: float64, NaN where that is 0."""
        values = self.maps[name].astype("float64")
        if self.difference is None:
            return values
        below = numpy.broadcast_to(self.difference[name], values.shape)
        return numpy.divide(values, below, out=numpy.full(values.shape, numpy.nan), where=numpy.abs(below) > 1e-6)

    @property
    def side_channel_share(self):
        """Share of the absolute map on inputs that are not images: float64 (n,); NaN where the map is 0."""
        images, all_of_it = 0.0, 0.0
        for values in self.maps.values():
            total = numpy.abs(values.astype("float64")).reshape(len(values), -1).sum(axis=1)
            all_of_it = all_of_it + total
            images = images + (total if values.ndim == 4 else 0.0)
        share = numpy.full(len(self.outputs), numpy.nan)
        return numpy.divide(all_of_it - images, all_of_it, out=share, where=all_of_it > 0)

    @property
    def complete(self):
        """Whether the residual is below `COMPLETE`: bool (n,), or None for methods without one."""
        return None if self.residual is None else self.residual < COMPLETE


def residual(maps, difference):
    """The relative residual of completeness.

    Parameters
    ----------
    maps : dict of str to numpy.ndarray
        (n, ...).
    difference : array_like (n,)
        f(x) - f(baseline).

    Returns
    -------
    numpy.ndarray
        float64 (n,); 0 where both are 0.
    """
    total = sum(values.astype("float64").reshape(len(values), -1).sum(axis=1) for values in maps.values())
    difference = numpy.asarray(difference, "float64")
    return numpy.abs(total - difference) / numpy.maximum(numpy.abs(difference), 1e-12)
