"""All methods that give maps, by name: for side-by-side figures and for the study of their quality."""

import collections.abc
import dataclasses
import functools

from science.attention_maps.attention_maps import attention_maps
from science.deep_shap.deep_shap import deep_lift, deep_shap
from science.grad_cam.grad_cam import grad_cam, grad_cam_plus, guided_grad_cam
from science.gradients.engine import engine_of
from science.guided_backpropagation.guided_backpropagation import deconvolution, guided_backpropagation
from science.integrated_gradients.integrated_gradients import integrated_gradients
from science.occlusion.occlusion import occlusion
from science.rate_map.rate_map import rate_map, require_rates
from science.saliency import saliency
from science.smooth_gradients.smooth_gradients import input_x_gradient, smooth_gradients, vargrad
from tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Method:
    """Method in the table.

    Attributes
    ----------
    function : callable
        ``function(model, inputs, *, target=None, batch_size=16, **own)`` returns a
        `science.explanation.attribution.Attribution`.
    takes : str
        ``"baseline"`` or ``"background"`` where `function` has an argument of this name.
    needs : tuple of str
        Parts that a network must have: ``"attention"``, ``"ReLU"``, ``"convolutions"``, ``"rates"``.
    """

    function: collections.abc.Callable
    takes: str = ""
    needs: tuple[str, ...] = ()


METHODS = {
    "saliency": Method(saliency.explain),
    "SmoothGrad": Method(functools.partial(smooth_gradients, samples=20)),
    "VarGrad": Method(functools.partial(vargrad, samples=20)),
    "input x gradient": Method(input_x_gradient),
    "deconvolution": Method(deconvolution, needs=("ReLU",)),
    "guided backpropagation": Method(guided_backpropagation, needs=("ReLU",)),
    "Grad-CAM": Method(grad_cam, needs=("convolutions",)),
    "Grad-CAM++": Method(grad_cam_plus, needs=("convolutions",)),
    "Guided Grad-CAM": Method(guided_grad_cam, needs=("ReLU", "convolutions")),
    "integrated gradients": Method(integrated_gradients, takes="baseline"),
    "DeepLIFT": Method(deep_lift, takes="baseline"),
    "Deep SHAP": Method(deep_shap, takes="background"),
    "occlusion": Method(occlusion, takes="baseline"),
    "attention 1": Method(functools.partial(attention_maps, estimator=1), needs=("attention",)),
    "attention 2": Method(functools.partial(attention_maps, estimator=2), needs=("attention",)),
    "attention 3": Method(functools.partial(attention_maps, estimator=3), needs=("attention",)),
    "rate map": Method(rate_map, needs=("rates",)),
}
NAMES = tuple(METHODS)


def method(name):
    """Look up a method by name: `Method`; a `UserError` that lists the names when there is none."""
    if name not in METHODS:
        raise UserError(f"method {name!r}: choose from {', '.join(NAMES)}")
    return METHODS[name]


def explain(name, model, inputs, *, baseline=None, background=None, **keywords):
    """Explain by a named method, which gets the baseline or the background if it takes one.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    model : keras.Model
    inputs : dict of str to numpy.ndarray
        Arrays (n, ...) by input name.
    baseline : dict of str to numpy.ndarray, optional
        (1, ...) by input name; the background too, where none is given.
    background : dict of str to numpy.ndarray, optional
        (m, ...) by input name.
    **keywords
        Of the method itself.

    Returns
    -------
    science.explanation.attribution.Attribution

    Raises
    ------
    UserError
        There is no such method, or it does not apply to the network.

    Examples
    --------
    A network that adds up four pixels:

    >>> import keras, numpy
    >>> image = keras.Input((2, 2, 1), name="image")
    >>> total = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(image))
    >>> model = keras.Model(image, total)
    >>> pixels = {"image": numpy.arange(4.0).reshape(1, 2, 2, 1)}
    >>> explain("DeepLIFT", model, pixels, baseline={"image": numpy.ones((1, 2, 2, 1))}).maps["image"].ravel()
    array([-1.,  0.,  1.,  2.], dtype=float32)
    """
    entry = method(name)
    start = {"baseline": baseline, "background": baseline if background is None else background}.get(entry.takes)
    if start is not None:
        keywords[entry.takes] = start
    return entry.function(model, inputs, **keywords)


def applicable(model):
    """Find the methods that apply to a network: (list of names, dict of the other names to why not)."""
    from network_models.layers import LinearAttention

    engine = engine_of(model, target=0)
    missing = {}
    if not engine.calls((LinearAttention,)):
        missing["attention"] = "the network has no attention"
    try:
        engine.relu_count(rule="guided")
    except UserError as error:
        missing["ReLU"] = str(error)
    if not engine.convolutions():
        missing["convolutions"] = "the network has no convolutions"
    try:
        require_rates(model)
    except UserError as error:
        missing["rates"] = str(error)
    skipped = {name: why for part, why in missing.items() for name, entry in METHODS.items() if part in entry.needs}
    return [name for name in NAMES if name not in skipped], skipped
