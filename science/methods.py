"""All methods that give maps, by name: for side-by-side figures and for the study of their quality."""

import functools
import importlib

from tools.errors import UserError

_WHERE = {
    "saliency": ("saliency.saliency", "explain", {}),
    "SmoothGrad": ("smooth_gradients.smooth_gradients", "smooth_gradients", {"samples": 20}),
    "VarGrad": ("smooth_gradients.smooth_gradients", "vargrad", {"samples": 20}),
    "input x gradient": ("smooth_gradients.smooth_gradients", "input_x_gradient", {}),
    "deconvolution": ("guided_backpropagation.guided_backpropagation", "deconvolution", {}),
    "guided backpropagation": ("guided_backpropagation.guided_backpropagation", "guided_backpropagation", {}),
    "Grad-CAM": ("grad_cam.grad_cam", "grad_cam", {}),
    "Grad-CAM++": ("grad_cam.grad_cam", "grad_cam_plus", {}),
    "Guided Grad-CAM": ("grad_cam.grad_cam", "guided_grad_cam", {}),
    "integrated gradients": ("integrated_gradients.integrated_gradients", "integrated_gradients", {}),
    "DeepLIFT": ("deep_shap.deep_shap", "deep_lift", {}),
    "Deep SHAP": ("deep_shap.deep_shap", "deep_shap", {}),
    "occlusion": ("occlusion.occlusion", "occlusion", {}),
    "attention 1": ("attention_maps.attention_maps", "attention_maps", {"estimator": 1}),
    "attention 2": ("attention_maps.attention_maps", "attention_maps", {"estimator": 2}),
    "attention 3": ("attention_maps.attention_maps", "attention_maps", {"estimator": 3}),
}
NAMES = tuple(_WHERE)
BASELINE = ("integrated gradients", "DeepLIFT", "occlusion")  # take ``baseline``
BACKGROUND = ("Deep SHAP",)  # take ``background``


def method(name):
    """A method by name: ``method(model, inputs, *, target=None, batch_size=16, **own)`` returns an `Attribution`."""
    if name not in _WHERE:
        raise UserError(f"method {name!r}: choose from {', '.join(NAMES)}")
    module, function, keywords = _WHERE[name]
    return functools.partial(getattr(importlib.import_module(f"science.{module}"), function), **keywords)


def explain(name, model, inputs, *, baseline=None, background=None, **keywords):
    """Explain by a named method, which gets the baseline or the background if it takes one: `Attribution`."""
    if name in BASELINE and baseline is not None:
        keywords["baseline"] = baseline
    if name in BACKGROUND and (background or baseline) is not None:
        keywords["background"] = background if background is not None else baseline
    return method(name)(model, inputs, **keywords)


def applicable(model):
    """Which methods apply to a network: (list of names, dict of the others to why not)."""
    from network_models.layers import LinearAttention
    from science.gradients.engine import engine_of

    engine = engine_of(model, target=0)
    attention = bool(engine.calls((LinearAttention,)))
    skipped = {} if attention else {name: "the network has no attention" for name in NAMES if name.startswith("attention")}
    for kind, words in (("Guided", "guided backpropagation"), ("deconvolution", "deconvolution")):
        try:
            engine.relu_count(rule="guided")
        except UserError as error:
            skipped |= {name: str(error) for name in NAMES if name.startswith((kind, words))}
    if not _has_convolutions(engine):
        skipped |= {name: "the network has no convolutions" for name in NAMES if "Grad-CAM" in name}
    return [name for name in NAMES if name not in skipped], skipped


def _has_convolutions(engine):
    import keras

    return bool(engine.calls((keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)))
