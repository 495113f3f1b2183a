"""The way of a loss through weights, shards and metrics, and the step of it that makes the weights.

All of it in one place; other docstrings refer to this one. With l the loss of a sample, the loss of a batch is its
mean, or with class weights c (none, event) the weighted mean sum(c l) / sum(c), as of
``torch.nn.CrossEntropyLoss(weight)``. However many devices or processes share a batch, the loss and its gradient are
those of the whole batch:

1. **Weights.** Where there are several devices, several processes or class weights, each sample gets the weight
   w = c / sum(c), the sum over the whole batch (c = 1 without class weights). So the weights of a batch add up to 1, and
   its mean is sum(w l).
2. **Shards.** `tf.distribute.MirroredStrategy` cuts a batch into equal parts for the devices of a process
   (`for_devices`). Of several processes each reads its share, with the targets of the whole batch beside it for sum(c)
   (`for_processes`). Parts are filled up to equal sizes with copies of weight 0: Keras fails on a first batch of uneven
   parts, convolutions on an empty one.
3. **Loss.** With such weights an `Objective` compiles the loss as a sum, so that each part contributes its share of the
   mean. Without them it compiles the mean over the batch, which is the same number. Penalties of kernels, the same on
   all, are added once in all.
4. **Gradients** of the parts are added up, by `MirroredStrategy` or between processes by
   `network_models.distribution.workers.Workers`, before the optimizer sees them.
5. **Metrics** run over the samples of an epoch, not over batches, of which the last may be smaller. They take of a
   weight only whether it is above 0: `MeanLoss` is sum(c l) / sum(c) over all samples with class weights of its own,
   without penalties; the skill scores count each sample once. Several processes add up the variables of their metrics
   at the end of an epoch.
6. **Names.** `network_models.training_callbacks.MeanOverSamples` writes ``mean_loss`` as ``loss`` and ``val_loss``,
   which the tables, --patience and the best network go by.
"""


def for_devices(replicas, class_weights=None):
    """Return the function to map over batches (inputs, targets) of a process on its own: steps 1 and 2 above.

    Parameters
    ----------
    replicas : int
        Devices.
    class_weights : sequence of float, optional
        Weights of samples without and with an event.

    Returns
    -------
    callable
        (inputs, targets) -> (inputs, targets) or (inputs, targets, weights), targets (n, 1) or (n, k) and weights (n, 1);
        without weights for one device without class weights.
    """

    def convert(inputs, target):
        target = _columns(target)
        if replicas == 1 and class_weights is None:
            return inputs, target
        import tensorflow

        weight = _unscaled(target, class_weights)
        weight = weight / tensorflow.reduce_sum(weight)
        fill = tensorflow.math.floormod(-tensorflow.shape(target)[0], replicas)

        def filled(tensor):
            return tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], fill, axis=0)], 0)

        inputs = {name: filled(tensor) for name, tensor in inputs.items()}
        return inputs, filled(target), tensorflow.concat([weight, tensorflow.zeros((fill, 1))], 0)

    return convert


def for_processes(count, class_weights=None):
    """Return the function to map over shares of batches, as `SolarData.pipeline` gives them to one of several processes.

    Parameters
    ----------
    count : int
        Processes.
    class_weights : sequence of float, optional

    Returns
    -------
    callable
        (inputs, targets, targets of the whole batch) -> (inputs, targets, weights), targets (n, 1) or (n, k), weights (n, 1).
    """

    def convert(inputs, target, whole):
        import tensorflow

        target, whole = _columns(target), _columns(whole)
        rows = (tensorflow.shape(whole)[0] + count - 1) // count
        weight = _unscaled(target, class_weights) / tensorflow.reduce_sum(_unscaled(whole, class_weights))
        present = tensorflow.shape(next(iter(inputs.values())))[0]
        inputs = {
            name: tensorflow.concat([tensor, tensorflow.repeat(tensor[-1:], rows - present, axis=0)], 0)
            for name, tensor in inputs.items()
        }
        lacking = rows - tensorflow.shape(target)[0]
        padded = tensorflow.pad(target, [[0, lacking], [0, 0]])
        return inputs, padded, tensorflow.pad(weight, [[0, lacking], [0, 0]])

    return convert


def _columns(targets):
    """Give targets (n,) an axis: tensor (n, 1), or (n, k) as they are."""
    return targets[:, None] if len(targets.shape) == 1 else targets


def _unscaled(targets, class_weights):
    """Weights of samples before they are made to add up to 1, by the first column of targets (n, k): tensor (n, 1)."""
    import tensorflow

    none, event = (1.0, 1.0) if class_weights is None else class_weights
    return tensorflow.where(targets[:, :1] > 0.5, float(event), float(none))
