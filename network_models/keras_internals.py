"""Private names of Keras, and what is replaced in its objects, all in one place: what to read when Keras changes."""

import contextlib


@contextlib.contextmanager
def counting_weights(check):
    """Call ``check(layer, shape)`` before any layer gets a weight, inside this block.

    Parameters
    ----------
    check : callable
        May raise, and the weight then takes no memory; `shape` may be None.
    """
    import keras

    add_weight = keras.layers.Layer.add_weight

    def checked(layer, shape=None, *arguments, **keywords):
        check(layer, shape)
        return add_weight(layer, shape, *arguments, **keywords)

    keras.layers.Layer.add_weight = checked
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


def share_steps(model, *, sum_gradients, sum_metrics, replicas):
    """Let a compiled model train with others: its gradients, metrics and regularisation pass through functions.

    Parameters
    ----------
    model : keras.Model
    sum_gradients : callable
        Of the gradients of a step, list of tensors; returns what the optimizer applies.
    sum_metrics : callable
        Called before metrics are reported.
    replicas : int
        By which regularisation losses are divided.
    """
    apply, results, additional = model.optimizer.apply, model.get_metrics_result, model._aggregate_additional_loss

    def apply_summed(gradients, trainable_variables=None):
        return apply(sum_gradients(list(gradients)), trainable_variables)

    def results_of_all():
        sum_metrics()
        return results()

    model._aggregate_additional_loss = lambda loss: additional(loss) / replicas
    model.optimizer.apply = apply_summed
    model.get_metrics_result = results_of_all


def skip_steps(model, count):
    """Let ``fit`` pass over its first steps without taking data.

    Parameters
    ----------
    model : keras.Model
    count : int
    """
    model.make_train_function()
    train, left = model.train_function, count

    def after_those(iterator):
        nonlocal left
        if left == 0:
            return train(iterator)
        left -= 1
        # Keras reports the metrics at the end of the epoch only if the last step gave them the same names.
        return type(model).get_metrics_result(model)

    model.train_function = after_those


def slot_of(optimizer, variable):
    """Place of a trainable variable in an optimizer's lists of slots: int."""
    return optimizer._get_variable_index(variable)


def layers_within(model):
    """List the layers of a network and of the networks in it, these included, the network itself not: list of keras.Layer."""
    return list(model._flatten_layers(include_self=False))


def origin(tensor):
    """Find the operation that made a symbolic tensor, and the tensors that it made it from: (operation, list)."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors


def first_output_shape(layer):
    """Shape of what a layer gives at its first call: tuple; None where it has not been called.

    Other than ``layer.output``, which is undefined for a layer that several networks share.
    """
    nodes = getattr(layer, "_inbound_nodes", None)
    return nodes[0].outputs[0].shape if nodes else None


def output_shapes(model):
    """List what operations of a network, and of networks in it, give at each call: (name, tuple) of each, the batch first."""
    shapes = []
    for operation in getattr(model, "operations", model.layers):  # those of Keras that are no layers too
        for node in operation._inbound_nodes:
            shapes += [(operation.name, tensor.shape) for tensor in node.outputs]
        if hasattr(operation, "layers"):
            shapes += output_shapes(operation)
    return shapes


def followers(layer):
    """List the operations that a layer feeds, one for each call: list of keras.Operation."""
    return [node.operation for node in layer._outbound_nodes if node.operation is not None]


def own_trainable_variables(layer):
    """List the trainable variables of a layer that do not belong to layers within it: list of keras.Variable."""
    return layer._trainable_variables
