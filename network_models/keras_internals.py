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
