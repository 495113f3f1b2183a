"""Names of networks are the same wherever a user writes them."""

import pytest

from network_models import networks
from network_models.architecture_search.spaces import SPACES
from network_models.full_disk_flare_forecast import alexnet, standard_cnn, train
from network_models.pytorch_weights import ARCHITECTURES


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
    assert all(SPACES[name].network.build is module.build for name, module in train.NETWORKS.items())
    assert train.choice().name_of("resnet34") == "resnet"
