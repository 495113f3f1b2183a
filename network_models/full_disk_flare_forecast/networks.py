"""The networks of this folder by name. A copied folder has its own."""

from . import alexnet, attention, resnet34, standard_cnn, vgg16

NETWORKS = {"alex": alexnet, "vgg": vgg16, "resnet": resnet34, "attention": attention, "cnn": standard_cnn}
SPELLINGS = {"alexnet": "alex", "vgg16": "vgg", "resnet34": "resnet", "standard_cnn": "cnn"}  # second names
