"""Explanation methods against golden numbers, against their own promises, and on every kind of network that we have."""

import numpy
import pytest

from science import methods
from science.attention_maps.attention_maps import attention_maps
from science.deep_shap.deep_shap import deep_lift, deep_shap
from science.grad_cam.grad_cam import grad_cam
from science.guided_backpropagation.guided_backpropagation import deconvolution, guided_backpropagation
from science.integrated_gradients.integrated_gradients import integrated_gradients
from science.occlusion.occlusion import occlusion
from science.saliency.saliency import explain as saliency
from science.smooth_gradients.smooth_gradients import smooth_gradients
from tools.errors import UserError

# From the golden baseline a maximum of the fourth image falls on the other side at one point of the midpoint rule in float32:
# two of its values differ by 4e-10 of 3. What it sees of the image is this corner.
FLIPPED = (3, slice(16, 24), slice(16, 24))


@pytest.fixture(scope="module")
def golden(golden_folder):
    """Arrays of attribution_parity.npz, and the network that they belong to."""
    import keras
    from keras import layers

    with numpy.load(golden_folder / "attribution_parity.npz") as file:
        arrays = dict(file)
    image = keras.Input((24, 24, 1), name="image")
    x = layers.ReLU(name="r1")(layers.Conv2D(8, 3, padding="same", name="c1")(image))
    x = layers.MaxPooling2D(2)(x)
    x = layers.ReLU(name="r2")(layers.Conv2D(16, 3, padding="same", name="c2")(x))
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.ReLU()(layers.Dense(16, name="d1")(x))
    model = keras.Model(image, layers.Dense(2, name="out")(x), name="model_a")
    for name in ("c1", "c2", "d1", "out"):
        model.get_layer(name).set_weights([arrays[f"A/{name}/kernel"], arrays[f"A/{name}/bias"]])
    return arrays, model


def equal(found, expected, tolerance=1e-5):
    """Equal to a share of the largest value."""
    numpy.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * float(numpy.abs(expected).max()))


def x_of(arrays):
    return {"image": arrays["x"].astype("float32")}


def start_of(arrays):
    return {"image": arrays["baseline"].astype("float32")}


def test_the_network_is_the_golden_one(golden):
    arrays, model = golden
    equal(saliency(model, x_of(arrays)).outputs, arrays["A/logits"][:, 1])


def test_golden_gradients(golden):
    arrays, model = golden
    for target in (0, 1):
        equal(saliency(model, x_of(arrays), target=target).maps["image"], arrays[f"A/attr/saliency_t{target}"])
    equal(smooth_gradients(model, x_of(arrays), kind="input x gradient").maps["image"], arrays["A/attr/input_x_gradient"])
    guided = guided_backpropagation(model, x_of(arrays))
    equal(guided.maps["image"], arrays["A/attr/guided_backprop"])
    assert guided.relu_count == 3
    equal(deconvolution(model, x_of(arrays)).maps["image"], arrays["A/attr/deconvolution"])


@pytest.mark.parametrize(("kind", "name"), [("mean", "smoothgrad_mean"), ("square", "smoothgrad_sq"), ("variance", "vargrad")])
def test_golden_smooth_gradients(golden, kind, name):
    arrays, model = golden
    noise = {"image": arrays["smoothgrad_noise"]}
    equal(smooth_gradients(model, x_of(arrays), kind=kind, samples=8, added=noise).maps["image"], arrays[f"A/attr/{name}"])


@pytest.mark.parametrize(
    ("rule", "name", "steps"),
    [
        ("midpoint", "ig50_riemann_middle_zero", 50),
        ("gauss-legendre", "ig50_gausslegendre_zero", 50),
        ("left", "ig50_riemann_left_zero", 50),
        ("right", "ig50_riemann_right_zero", 50),
        pytest.param("gauss-legendre", "ig1000_gausslegendre_zero", 1000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-6)])
def test_golden_integrated_gradients(golden, rule, name, steps, precision, tolerance):
    arrays, model = golden
    found = integrated_gradients(model, x_of(arrays), rule=rule, steps=steps, tolerance=None, precision=precision)
    equal(found.maps["image"], arrays[f"A/attr/{name}"], tolerance)


def test_golden_integrated_gradients_compiled(golden):
    arrays, model = golden
    found = integrated_gradients(model, x_of(arrays), tolerance=None, xla=True)
    equal(found.maps["image"], arrays["A/attr/ig50_riemann_middle_zero"])


def test_integrated_gradients_in_any_batches_compiled_or_not():
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    inner_image = keras.Input((16, 16, 4))
    inner = keras.Model(inner_image, layers.Conv2D(12, 3, activation="softplus", padding="same")(inner_image))
    wide = layers.Conv2D(12, 3, activation="softplus", padding="same")
    image, side = keras.Input((16, 16, 4), name="image"), keras.Input((3,), name="side")
    x = layers.AveragePooling2D(14)(wide(wide(inner(image))))  # a shared layer
    x = layers.Concatenate()([layers.Flatten()(x), side])
    model = keras.Model([image, side], layers.Dense(1)(layers.Dense(8, activation="softplus")(x)))
    random = numpy.random.default_rng(5)
    inputs = {"image": random.normal(size=(2, 16, 16, 4)), "side": random.normal(size=(2, 3))}
    inputs = {name: array.astype("float32") for name, array in inputs.items()}
    expected = integrated_gradients(model, inputs, steps=20, tolerance=None, precision="float64")
    for keywords in ({"batch_size": 1}, {"batch_size": 7}, {"batch_size": 64}, {"batch_size": 7, "xla": True}):
        found = integrated_gradients(model, inputs, steps=20, tolerance=None, **keywords)
        for name, values in expected.maps.items():
            numpy.testing.assert_allclose(found.maps[name], values, rtol=0, atol=1e-5 * numpy.abs(values).max())


def test_golden_integrated_gradients_trapezoid(golden):
    arrays, model = golden
    found = integrated_gradients(model, x_of(arrays), rule="trapezoid", tolerance=None)
    # Captum's weights add up to 49/50.
    equal(found.maps["image"], arrays["A/attr/ig50_riemann_trapezoid_zero"] * 50 / 49)


@pytest.mark.parametrize("rule", ["midpoint", "gauss-legendre"])
def test_golden_integrated_gradients_from_a_baseline(golden, rule):
    arrays, model = golden
    name = {"midpoint": "ig50_riemann_middle_baseline", "gauss-legendre": "ig50_gausslegendre_baseline"}[rule]
    expected = arrays[f"A/attr/{name}"].copy()
    for precision, tolerance in (("float64", 1e-6), ("float32", 1e-5)):
        keywords = {"rule": rule, "tolerance": None, "precision": precision}
        found = integrated_gradients(model, x_of(arrays), baseline=start_of(arrays), **keywords).maps["image"]
        if (rule, precision) == ("midpoint", "float32"):
            atol = 2e-4 * numpy.abs(expected).max()
            numpy.testing.assert_allclose(found[FLIPPED], expected[FLIPPED], rtol=0, atol=atol)
            expected[FLIPPED] = found[FLIPPED]
        equal(found, expected, tolerance)


def test_steps_double_until_complete(golden):
    arrays, model = golden
    found = integrated_gradients(model, x_of(arrays), steps=2)
    assert (found.residual < 0.01).all()
    assert max(found.parameters["steps"]) > 2
    assert integrated_gradients(model, x_of(arrays), steps=2, tolerance=None).residual.max() > 0.01


def test_the_note_tells_the_steps_that_were_taken(golden):
    arrays, model = golden
    found = integrated_gradients(model, {"image": x_of(arrays)["image"][:1]}, steps=700, tolerance=1e-12)
    assert found.parameters["steps"] == [1400]
    assert found.notes == ("not complete to 1e-12 with 1400 steps",)


@pytest.mark.parametrize(("layer", "which"), [("c2", "c2_pre_relu"), (None, "r2_post_relu"), ("r2", "r2_post_relu")])
def test_golden_grad_cam(golden, layer, which):
    import tensorflow

    arrays, model = golden
    tensor = "before" if layer == "c2" else "after"
    for rectify, name in ((False, "gradcam"), (True, "gradcam_relu")):
        found = grad_cam(model, x_of(arrays), layer=layer, tensor=tensor, rectify=rectify)
        small = arrays[f"A/attr/{name}_{which}"]
        equal(found.maps["image"], tensorflow.image.resize(small, (24, 24)).numpy())
    assert ("c2, its output" if layer == "c2" else "r2") in found.target_tensor
    guided = grad_cam(model, x_of(arrays), layer=layer, tensor=tensor, kind="guided")
    equal(guided.maps["image"], arrays[f"A/attr/guided_gradcam_bilinear_{which}"])


@pytest.mark.parametrize(
    ("window", "stride", "name"), [(6, 6, "w6_s6_b0"), (6, 3, "w6_s3_b0"), (5, 5, "w5_s5_b0_ragged"), (6, 3, "w6_s3_baseline")]
)
def test_golden_occlusion(golden, window, stride, name):
    arrays, model = golden
    baseline = start_of(arrays) if name.endswith("baseline") else None
    found = occlusion(model, x_of(arrays), window=window, stride=stride, baseline=baseline)
    equal(found.maps["image"], arrays[f"A/attr/occlusion_{name}"])


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-6)])
def test_golden_deep_lift(golden, precision, tolerance):
    arrays, model = golden
    zero = deep_lift(model, x_of(arrays), precision=precision)
    equal(zero.maps["image"], arrays["A/attr/deeplift_zero"], tolerance)
    found = deep_lift(model, x_of(arrays), baseline=start_of(arrays), precision=precision)
    equal(found.maps["image"], arrays["A/attr/deeplift_baseline"], tolerance)
    assert max(zero.residual.max(), found.residual.max()) < 1e-5
    multipliers = deep_lift(model, x_of(arrays), baseline=start_of(arrays), multipliers=True, precision=precision)
    off = 1.1e-5 if precision == "float32" else tolerance  # one multiplier is 1.015e-5 off
    equal(multipliers.maps["image"], arrays["A/attr/deeplift_nomult_baseline"], off)
    # What an unpatched Captum returns is not complete, so a test that it passed would be none.
    wrong = arrays["A/attr_captum_bug/deeplift_baseline"]
    assert numpy.abs(found.maps["image"] - wrong).max() > 1e-3 * numpy.abs(wrong).max()


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-6)])
def test_golden_deep_shap(golden, precision, tolerance):
    arrays, model = golden
    found = deep_shap(model, x_of(arrays), background=start_of(arrays), precision=precision)
    equal(found.maps["image"], arrays["A/attr/deepliftshap_4baselines"], tolerance)
    equal(found.maps["image"], arrays["A/attr_shap_f32/deepshap_4baselines"], 1e-4)
    # Of one sample the difference of the outputs is nearly 0, and lost in the rounding of float32.
    assert (found.residual if precision == "float64" else numpy.sort(found.residual)[:-1]).max() < 1e-5


def network(kind):
    """A small network with an image of 16 x 16 x 2 of one of the kinds that methods have to deal with."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    policy = keras.config.dtype_policy()
    if kind == "mixed precision":
        keras.config.set_dtype_policy("mixed_float16")
    try:
        image = keras.Input((16, 16, 2), name="image")
        inputs = {"image": image}
        if kind == "two images and side channel":
            inputs |= {"prior": keras.Input((16, 16, 2), name="prior"), "side": keras.Input((3,), name="side")}
            image = layers.Concatenate()([inputs["image"], inputs["prior"]])
        relu = {
            "inline": lambda name: {"activation": "relu"},
            "nested": lambda name: {"activation": "relu"},
        }.get(kind, lambda name: {})

        def rectified(x):
            if kind in ("inline", "nested"):
                return x
            if kind == "keras.ops.relu":
                return keras.ops.relu(x)
            return layers.Activation("relu")(x) if kind == "Activation" else layers.ReLU()(x)

        def body(x):
            x = rectified(layers.Conv2D(6, 3, padding="same", bias_initializer="random_normal", **relu("a"))(x))
            x = layers.MaxPooling2D(3, 2 if kind == "overlapping pools" else 3)(x)
            if kind == "batch normalisation":
                from network_models.layers import FusedBatchNormalization

                x = FusedBatchNormalization()(x)
            return rectified(layers.Conv2D(5, 3, padding="same", bias_initializer="random_normal", **relu("b"))(x))

        if kind == "nested":
            inner = keras.Input((16, 16, 2))
            x = keras.Model(inner, body(inner), name="inner")(image)
        else:
            x = body(image)
        if kind == "global pooling":
            x = layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)])
        else:
            x = layers.Flatten()(x)
        if "side" in inputs:
            x = layers.Concatenate()([x, inputs["side"]])
        x = rectified(layers.Dense(7, bias_initializer="random_normal", **relu("c"))(x))
        end = 1 if kind == "regression" else 2
        activation = {"softmax": "softmax"}.get(kind)
        return keras.Model(inputs, layers.Dense(end, activation=activation, dtype="float32")(x), name="small")
    finally:
        keras.config.set_dtype_policy(policy)


KINDS = (
    "inline",
    "Activation",
    "layers.ReLU",
    "keras.ops.relu",
    "nested",
    "mixed precision",
    "overlapping pools",
    "batch normalisation",
    "global pooling",
    "two images and side channel",
    "regression",
    "softmax",
)


def rounding(found, exact):
    """The largest difference of two maps, as a share of the largest value."""
    largest = max(numpy.abs(values).max() for values in exact.maps.values())
    return max(numpy.abs(found.maps[name] - exact.maps[name]).max() for name in exact.maps) / largest


def inputs_of(model, count=2, seed=0):
    random = numpy.random.default_rng(seed)
    return {tensor.name: random.normal(0, 1, (count, *tensor.shape[1:])).astype("float32") for tensor in model.inputs}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.long
def test_every_method_on_every_kind_of_network(kind):
    model = network(kind)
    inputs, baseline = inputs_of(model), inputs_of(model, seed=1)
    names, skipped = methods.applicable(model)
    assert set(skipped) == {"attention 1", "attention 2", "attention 3", "rate map"}
    own = {"SmoothGrad": {"samples": 2}, "VarGrad": {"samples": 2}, "occlusion": {"window": 8, "stride": 8}}
    for name in names:
        found = methods.explain(name, model, inputs, baseline=baseline, background=baseline, **own.get(name, {}))
        assert found.outputs.shape == (2,)
        for source, values in found.maps.items():
            assert values.dtype == "float32"
            assert numpy.isfinite(values).all()
            expected = inputs[source].shape
            assert values.shape in (expected, (*expected[:3], 1))
        assert any(numpy.abs(values).max() > 0 for values in found.maps.values()), name
        if name in ("DeepLIFT", "Deep SHAP"):
            exact = methods.explain(name, model, inputs, baseline=baseline, background=baseline, precision="float64")
            assert exact.residual.max() < 1e-5, name
            assert rounding(found, exact) < 1e-4, name
        if name == "integrated gradients":
            total = sum(values.reshape(2, -1).sum(axis=1, dtype="float64") for values in found.maps.values())
            difference = found.outputs - saliency(model, baseline).outputs
            numpy.testing.assert_allclose(total, difference, rtol=0.01, atol=1e-3)
            left = numpy.abs(total / difference - 1)
            numpy.testing.assert_allclose(found.residual, left, atol=1e-3)
            steps = numpy.array(found.parameters["steps"])
            assert ((left < 0.0099) | (steps == 1600)).all()  # doubled as long as it was not complete
            assert bool(found.notes) == bool((found.residual >= 0.01).any())
        if "side" in inputs and "side" in found.maps:
            assert (found.side_channel_share > 0).all()
            assert (found.side_channel_share < 1).all()


@pytest.mark.parametrize("kind", ["inline", "Activation", "layers.ReLU", "keras.ops.relu", "nested", "mixed precision"])
def test_relu_rules_reach_every_kind_of_relu(kind):
    model = network(kind)
    inputs = inputs_of(model)
    plain, guided, deconvolved = (
        function(model, inputs).maps["image"] for function in (saliency, guided_backpropagation, deconvolution)
    )
    assert guided_backpropagation(model, inputs).relu_count == 3
    layers = with_kernels(model)
    layers.sort(key=lambda layer: layer.kernel.shape[-2] if layer.kernel.ndim == 4 else 1000 - layer.kernel.shape[0])
    weights = [layer.get_weights() for layer in layers]  # convolutions by their input channels, then dense layers
    for found, rule in ((guided, "guided"), (deconvolved, "deconvolution")):
        expected = by_hand(inputs["image"], weights, rule)
        numpy.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * numpy.abs(expected).max())
        assert numpy.abs(found - plain).max() > 0.01 * numpy.abs(plain).max()


def with_kernels(model):
    """Convolutions and dense layers of a network and of the networks in it."""
    inner = [part for layer in model.layers if hasattr(layer, "layers") for part in with_kernels(layer)]
    return inner + [layer for layer in model.layers if hasattr(layer, "kernel")]


def by_hand(image, weights, rule):
    """Backpropagation through conv, ReLU, pool, conv, ReLU, dense, ReLU, dense with a rule for ReLU, written out."""
    import tensorflow as tf

    @tf.custom_gradient
    def relu(x):
        def back(gradient):
            passed = tf.nn.relu(gradient)
            return passed * tf.cast(x > 0, x.dtype) if rule == "guided" else passed

        return tf.nn.relu(x), back

    kernels = [[tf.constant(part) for part in pair] for pair in weights]
    x = start = tf.constant(image)
    with tf.GradientTape() as tape:
        tape.watch(start)
        x = tf.nn.max_pool2d(relu(tf.nn.conv2d(x, kernels[0][0], 1, "SAME") + kernels[0][1]), 3, 3, "VALID")
        x = relu(tf.nn.conv2d(x, kernels[1][0], 1, "SAME") + kernels[1][1])
        x = relu(tf.reshape(x, (len(image), -1)) @ kernels[2][0] + kernels[2][1])
        output = (x @ kernels[3][0] + kernels[3][1])[:, 1]
    return tape.gradient(output, start).numpy()


@pytest.fixture(scope="module")
def attention_network():
    from network_models.full_disk_flare_forecast import attention
    from network_models.image_inputs import Input

    return attention.build({"image": Input((192, 192, 1))}, attention.Options())


@pytest.mark.long
def test_attention_maps_are_weights(attention_network):
    inputs = inputs_of(attention_network, 1)
    for estimator in (1, 2, 3):
        found = attention_maps(attention_network, inputs, estimator=estimator)
        assert found.maps["image"].shape == (1, 192, 192, 1)
        positions = numpy.prod(found.parameters["map_size"])
        # Softmax weights sum to 1; stretched over the image they keep their mean.
        assert found.maps["image"].mean() * positions == pytest.approx(1, rel=0.05)


def test_deep_lift_is_complete_through_attention(attention_network):
    inputs, baseline = inputs_of(attention_network, 1), inputs_of(attention_network, 1, seed=1)
    assert deep_lift(attention_network, inputs, baseline=baseline).residual.max() < 1e-4


def test_noise_is_seeded():
    model = network("inline")
    inputs = inputs_of(model)
    first, again, other = (smooth_gradients(model, inputs, samples=3, seed=seed).maps["image"] for seed in (0, 0, 1))
    numpy.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.long
def test_batches_do_not_change_maps():
    model = network("overlapping pools")
    inputs, baseline = inputs_of(model, 5), inputs_of(model, 5, seed=1)
    for name in ("DeepLIFT", "integrated gradients", "Grad-CAM", "occlusion"):
        own = {"window": 8, "stride": 8} if name == "occlusion" else {}
        one, two = (
            methods.explain(name, model, inputs, baseline=baseline, batch_size=size, **own).maps["image"] for size in (2, 16)
        )
        numpy.testing.assert_allclose(one, two, rtol=0, atol=1e-5 * numpy.abs(one).max())


def test_grad_cam_leaves_out_a_convolution_of_one_position():
    import keras
    from keras import layers

    image = keras.Input((16, 16, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="spatial")(image)
    x = layers.Conv2D(3, 16, activation="relu", name="everything")(x)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    found = grad_cam(model, {"image": numpy.random.default_rng(0).normal(size=(1, 16, 16, 1)).astype("float32")})
    assert found.parameters["layer"] == "spatial"
    assert found.parameters["map_size"] == [16, 16]


def test_bad_input():
    import keras

    model = network("inline")
    inputs = inputs_of(model)
    dense = keras.Sequential([keras.Input((4,), name="v"), keras.layers.Dense(2)])
    wrong = {"image": numpy.zeros((1, 8, 8, 2))}
    cases = [
        (lambda: grad_cam(model, inputs, layer="none"), "--layer none: the network has no such layer; it has .*conv2d"),
        (lambda: grad_cam(model, inputs, layer=model.layers[-1].name), "puts out no feature maps; choose"),
        (lambda: grad_cam(dense, {"v": numpy.zeros((1, 4), "float32")}), "has no convolutions"),
        (lambda: attention_maps(model, inputs), "has no attention estimators"),
        (lambda: saliency(model, inputs, target=5), "--target 5: the network has 2 outputs, 0 to 1"),
        (lambda: integrated_gradients(model, inputs, baseline=wrong), r"baseline: image is of shape \(8, 8, 2\)"),
        (lambda: deep_lift(model, inputs, baseline={}), "baseline: has ; the network takes image"),
        (lambda: occlusion(model, inputs, window=99), "--window 99: larger than the image"),
        (lambda: occlusion(model, inputs, window=4, stride=8), "leaves pixels uncovered"),
        (lambda: smooth_gradients(model, inputs, samples=0), "--samples 0"),
        (lambda: smooth_gradients(model, inputs, noise=numpy.inf), "--noise inf"),
        (lambda: smooth_gradients(model, inputs, seed=-1), "--seed -1: must be at least 0"),
        (lambda: methods.method("magic"), "choose from saliency"),
    ]
    for call, message in cases:
        with pytest.raises(UserError, match=message):
            call()
