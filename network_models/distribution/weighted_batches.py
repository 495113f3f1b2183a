"""Batches in the form that Keras's losses take, with weights that make a sum over devices or processes the mean of a batch."""


def for_devices(replicas, class_weights=None):
    """Return the function to map over batches (inputs, targets): it gives targets (n, 1), and weights where needed.

    Weights are needed for several devices and for class weights. Those of a batch add up to 1, so that the sum over
    devices of weighted losses is their mean over the batch. Samples of weight 0 are added until every device gets equally
    many: Keras fails on a first batch of uneven parts, convolutions on an empty one.

    Parameters
    ----------
    replicas : int
        Devices.
    class_weights : sequence of float, optional
        Weights of samples without and with an event.

    Returns
    -------
    callable
        (inputs, targets) -> (inputs, targets) or (inputs, targets, weights)
    """

    def convert(inputs, target):
        target = target[:, None]
        if replicas == 1 and class_weights is None:
            return inputs, target
        import tensorflow

        none, event = (1.0, 1.0) if class_weights is None else class_weights
        weight = tensorflow.where(target > 0.5, float(event), float(none))
        weight = weight / tensorflow.reduce_sum(weight)
        fill = tensorflow.math.floormod(-tensorflow.shape(target)[0], replicas)

        def filled(tensor):
            return tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], fill, axis=0)], 0)

        inputs = {name: filled(tensor) for name, tensor in inputs.items()}
        return inputs, filled(target), tensorflow.concat([weight, tensorflow.zeros((fill, 1))], 0)

    return convert


def for_processes(count, class_weights=None):
    """Return the function to map over shares of batches, as `SolarData.pipeline` gives them to one of several processes.

    As `for_devices`: weights add up to 1 over the batch of all processes; shares are filled up until all have equally
    many samples, with weight 0.

    Parameters
    ----------
    count : int
        Processes.
    class_weights : sequence of float, optional

    Returns
    -------
    callable
        (inputs, targets, targets of the whole batch) -> (inputs, targets, weights)
    """

    def convert(inputs, target, whole):
        import tensorflow

        none, event = (1.0, 1.0) if class_weights is None else class_weights

        def weights(targets):
            return tensorflow.where(targets > 0.5, float(event), float(none))

        rows = (tensorflow.size(whole) + count - 1) // count
        weight = weights(target) / tensorflow.reduce_sum(weights(whole))
        present = tensorflow.shape(next(iter(inputs.values())))[0]
        inputs = {
            name: tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], rows - present, axis=0)], 0)
            for name, tensor in inputs.items()
        }
        lacking = tensorflow.zeros((rows - tensorflow.size(target),))
        return inputs, tensorflow.concat([target, lacking], 0)[:, None], tensorflow.concat([weight, lacking], 0)[:, None]

    return convert
