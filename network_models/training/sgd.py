"""Stochastic gradient descent as PyTorch does it."""

import keras

from network_models import keras_internals


@keras.saving.register_keras_serializable(package="solar")
class CoupledSGD(keras.optimizers.Optimizer):
    """SGD whose weight decay is part of the gradient (L2), and whose learning rate scales the whole momentum buffer.

    For each trainable weight w, biases and batch normalisation included:

        g <- g + weight_decay * w;  b <- momentum * b + g;  w <- w - learning_rate * b

    as ``torch.optim.SGD`` (dampening 0, no Nesterov). In `keras.optimizers.SGD` weight decay is decoupled from the
    momentum, and the learning rate is folded into the buffer, which differs whenever the rate changes.

    Parameters
    ----------
    learning_rate : float
    momentum : float or None
        None keeps no buffer, and `set_momentum` is not available.
    coupled_decay : float
        The factor of L2.

    Notes
    -----
    The momentum is a variable, so that a schedule may move it; it is saved and restored with the optimizer.
    """

    def __init__(self, learning_rate=0.01, momentum=None, coupled_decay=0.0, name="coupled_sgd", **keywords):
        super().__init__(learning_rate=learning_rate, name=name, **keywords)
        self.momentum = momentum
        self.coupled_decay = coupled_decay

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        if self.momentum is not None:
            initial = keras.initializers.Constant(self.momentum)
            self._momentum = self.add_variable((), initializer=initial, dtype="float32", name="momentum")
            self._buffers = [self.add_variable_from_reference(variable, name="buffer") for variable in variables]

    def set_momentum(self, value):
        """Use `value` (float) from the next step on; the optimizer must be built."""
        self._momentum.assign(value)

    def update_step(self, gradient, variable, learning_rate):
        # One operation that reads and writes each number once; keras.ops would pass over the weights six times.
        import tensorflow

        gradient = keras.ops.cast(gradient, variable.dtype)
        if self.coupled_decay:
            gradient = gradient + self.coupled_decay * keras.ops.convert_to_tensor(variable)
        rate = keras.ops.cast(learning_rate, variable.dtype)
        if self.momentum is None:
            tensorflow.raw_ops.ResourceApplyGradientDescent(var=_resource(variable), alpha=rate, delta=gradient)
            return
        tensorflow.raw_ops.ResourceApplyMomentum(
            var=_resource(variable),
            accum=_resource(self._buffers[keras_internals.slot_of(self, variable)]),
            lr=rate,
            grad=gradient,
            momentum=keras.ops.cast(self._momentum, variable.dtype),
        )

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "coupled_decay": self.coupled_decay}


def _resource(variable):
    """Handle of a Keras or TensorFlow variable; on several devices that of the one whose turn it is."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
