"""Every Keras layer of the project, registered: saved networks load in any process that has imported this package."""

from network_models.layers.attention import LinearAttention
from network_models.layers.batch_normalization import FusedBatchNormalization
from network_models.layers.block_convolution import BlockConv2D
from network_models.layers.flare_rates import (
    DiskLogit,
    ExcitedLogRates,
    FieldGate,
    GatedLogRates,
    Logarithm,
    MagneticField,
    PlaceLogRates,
    PowerLawRates,
)
from network_models.layers.variational import AddMean, BetaVAE, MeanAndLogVariance, RemoveMean, Sampling
from network_models.layers.whiten import Whiten

__all__ = [
    "AddMean",
    "BetaVAE",
    "BlockConv2D",
    "DiskLogit",
    "ExcitedLogRates",
    "FieldGate",
    "FusedBatchNormalization",
    "GatedLogRates",
    "LinearAttention",
    "Logarithm",
    "MagneticField",
    "MeanAndLogVariance",
    "PlaceLogRates",
    "PowerLawRates",
    "RemoveMean",
    "Sampling",
    "Whiten",
]
