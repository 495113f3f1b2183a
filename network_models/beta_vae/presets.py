"""Networks and trainings of the thesis (vanhumbeecka/mai-thesis-public) as presets. A copied folder has its own."""

from network_models.presets import Preset

_LOOP = {  # the defaults of its training loop
    "epochs": 100,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "gamma": 0.99,
    "beta": 1.0,
    "likelihood": "bernoulli",
    "annealing_steps": 0,
    "mean_image": False,
    "latent_dim": 32,
    "dropout": 0.0,
    "image_size": 512,
    "frames": 6,
}
_DENSE = {"dense_units": (4096, 4096), "dense_dropout": 0.5, "allow_large": True}


def _sequences(text, **values):
    return Preset(text, {**_LOOP, **values}, ("sequence",))


PRESETS = {
    "thesis_mnist": Preset(
        "digits as in main.py; its published weights are of 20 epochs, at beta 1 and 4",
        {
            "source": "mnist",
            "image_size": 32,
            "epochs": 10,
            "batch_size": 128,
            "learning_rate": 1e-3,
            "gamma": 1.0,
            "beta": 1.0,
            "annealing_steps": 0,
        },
        ("burgess",),
    ),
    "thesis_112": _sequences("the run version_112: beta 1", learning_rate=2e-3, gamma=0.95),
    "thesis_128": _sequences("the run version_128: beta 20", learning_rate=1e-3, beta=20.0),
    "thesis_d6": _sequences("model_d6: an autoencoder without latents", latent_dim=0),
    "thesis_layer4_1": _sequences("model_d6_layer4_1, and the same with dropout: give --dropout"),
    "thesis_batchnorm": _sequences("model_d6_layer4_1_batchnorm", normalised=True),
    "thesis_layer4_2": _sequences("model_d6_layer4_2: dense layers before and behind the latents", **_DENSE),
    "thesis_d6_v2": _sequences("model_d6_v2: six convolutions that halve exactly", layout="d6_v2"),
    "thesis_simple": _sequences("simple: frames are halved too, 60 of them", layout="simple", frames=60, allow_large=True),
    "thesis_simple2": _sequences("simple2: divided by five twice, 60 frames", layout="simple2", frames=60),
    "thesis_full_disk": _sequences(
        "fulldisk: blocks as of VGG16 on 60 frames, ten latents", layout="vgg", frames=60, latent_dim=10, **_DENSE
    ),
}
