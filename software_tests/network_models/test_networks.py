"""Names of networks are the same wherever a user writes them."""

import dataclasses

import numpy
import pytest

from network_models import networks
from network_models.architecture_search.spaces import SPACES
from network_models.beta_vae import burgess, full_disk, sequence
from network_models.beta_vae import train as beta_vae
from network_models.full_disk_flare_forecast import alexnet, attention, standard_cnn, train
from network_models.image_inputs import Input
from network_models.pytorch_weights import ARCHITECTURES
from network_models.xray_flux_forecast.fdl1 import architecture as fdl1
from network_models.xray_flux_forecast.starting_point import architecture as starting_point


def test_both_spellings_are_one_network():
    assert networks.named("alex") is networks.named("alexnet") is alexnet
    assert networks.named("cnn") is networks.named("standard_cnn") is standard_cnn
    assert networks.name_of("fdl1") == "fdl1"
    with pytest.raises(KeyError):
        networks.named("lexnet")


def test_search_import_and_training_know_the_names_of_the_registry():
    assert set(SPACES) <= set(networks.NETWORKS)
    assert {architecture.network for architecture in ARCHITECTURES.values()} <= set(networks.NETWORKS)
    assert train.NETWORKS.items() <= networks.NETWORKS.items()
    assert set(beta_vae.NETWORKS) <= set(networks.NETWORKS)
    assert all(SPACES[name].network.build is module.build for name, module in train.NETWORKS.items())
    assert train.choice().name_of("resnet34") == "resnet"


STACK = {name: Input((64, 64, 2), (True, False)) for name in ("image", "image_prior_1")} | {"side_channel": Input((4,))}


# Computed while networks were built from shapes alone: runs begun then go on only from the same draws.
@pytest.mark.parametrize(
    ("network", "inputs", "first", "last", "count"),
    [
        (fdl1, STACK, ("conv_1", 92.7289), ("output", 10.0276), 14),
        (starting_point, STACK, ("block_1_conv_1", 108.7075), ("output", 8.8872), 26),
        (
            attention,
            {"image": Input((192, 192, 1)), "side_channel": Input((4,))},
            ("block_1_conv", 227.6374),
            ("logits", 97.1923),
            46,
        ),
        (burgess, {"image": Input((32, 32, 1))}, ("conv_1", 26.6229), ("transposed_3", 27.7940), 25),
        (full_disk, {"image": Input((32, 64, 1))}, ("conv_1", 144.6393), ("transposed_2", 4.1213), 21),
        (sequence, {"sequence": Input((6, 32, 32, 1))}, ("conv_1", 47.1594), ("transposed_4", 2.1176), 25),
    ],
)
def test_a_seed_gives_the_initial_weights_of_before(network, inputs, first, last, count):
    options = network.Options()
    if hasattr(options, "dropout"):  # its layers take seeds of the same sequence
        options = dataclasses.replace(options, dropout=0.2)
    model = network.build(inputs, options, 3)
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    sums = [(kernel.path.split("/")[0], float(numpy.abs(kernel).sum(dtype="float64"))) for kernel in (kernels[0], kernels[-1])]
    assert [name for name, _ in sums] == [first[0], last[0]]
    assert [value for _, value in sums] == pytest.approx([first[1], last[1]], rel=5e-5)
    assert len(model.weights) == count
