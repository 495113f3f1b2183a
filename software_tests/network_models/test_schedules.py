"""Learning rates and SGD against PyTorch's, and against steps computed by hand."""

import keras
import numpy
import pytest

from network_models.training import schedules
from network_models.training.sgd import CoupledSGD


def test_one_cycle_by_hand():
    """Ten steps: the top lies at step 2, exactly 0.3 * 10 - 1."""
    rates, momenta = zip(*[schedules.one_cycle(step, 10, 0.5) for step in range(10)], strict=True)
    assert rates[0] == pytest.approx(0.02)
    assert rates[1] == pytest.approx((0.02 + 0.5) / 2)
    assert rates[2] == pytest.approx(0.5)
    assert rates[9] == pytest.approx(2e-6)
    assert (momenta[0], momenta[1], momenta[2], momenta[9]) == pytest.approx((0.95, 0.9, 0.85, 0.95))
    assert list(rates[2:]) == sorted(rates[2:], reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 100, 333])
def test_one_cycle_is_that_of_pytorch(steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=max(steps, 2))
    for step in range(steps):
        group = optimizer.param_groups[0]
        assert schedules.one_cycle(step, max(steps, 2), 3e-3) == pytest.approx((group["lr"], group["momentum"]), rel=1e-9)
        optimizer.step()
        if step < steps - 1:
            schedule.step()


def test_one_cycle_of_a_single_step_is_finite():
    assert all(numpy.isfinite(schedules.one_cycle(0, 1, 0.1)))


def test_steps_down():
    assert [schedules.stepped_down(epoch, 0.8, 0.5, 3) for epoch in (0, 2, 3, 5, 6, 9)] == [0.8, 0.8, 0.4, 0.4, 0.2, 0.1]


def test_steps_of_the_studies():
    """Their loops, epoch by epoch: one divides by ten at every 20th epoch and from the 45th on, one halves at every third."""
    rate, rates = 1e-4, []
    for epoch in range(1, 61):
        if epoch % 20 == 0:
            rate /= 10
        if epoch >= 45:
            rate /= 10
        rates.append(rate)
    ours = [schedules.stepped_before(epoch, 1e-4, 0.1, every=20, since=45) for epoch in range(1, 61)]
    numpy.testing.assert_allclose(ours, rates, rtol=1e-9)
    assert [schedules.stepped_before(epoch, 0.8, 0.5, every=3) for epoch in range(1, 8)] == [0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert schedules.stepped_before(1000, 0.3, 0.1) == 0.3


def model_with(optimizer):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize(
    "schedule",
    [schedules.OneCycle(0.5), schedules.StepDecay(0.5, 0.1), schedules.StepsBefore(0.5, 0.1, every=2)],
    ids=["one cycle", "steps down", "steps before"],
)
def test_rates_are_scaled(schedule):
    optimizer = CoupledSGD(0.1, 0.9)
    schedule.set_model(model_with(optimizer))
    schedule.set_params({"steps": 5, "epochs": 2})
    rates = {}
    for scale in (1.0, 4.0):
        schedule.scale = scale
        schedule.on_epoch_begin(1)
        schedule.on_train_batch_begin(2)
        rates[scale] = schedule.rate()
    assert 0 < rates[1.0] < 0.5
    assert rates[4.0] == pytest.approx(4 * rates[1.0], rel=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_steps_down_are_the_same_numbers_in_any_epoch_and_have_the_column_of_all_schedules(mixed):
    """Computed in float64: a run that is resumed, also within an epoch, has the rates of before to the last digit."""
    optimizer = keras.optimizers.Adam(1e-3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if mixed else optimizer, "mse")
    schedule = schedules.StepDecay(1e-3, 0.97, 2)
    data = (numpy.ones((4, 2)), numpy.ones((4, 1)))
    history = model.fit(*data, initial_epoch=7, epochs=11, verbose=0, callbacks=[schedule]).history
    assert history["rate"] == [float(numpy.float32(1e-3 * 0.97**steps)) for steps in (3, 4, 4, 5)]
    assert "learning_rate" not in history
    assert "learning_rate" in [variable.name for variable in optimizer.variables]


@pytest.mark.parametrize("seed", range(3))
def test_plateau_is_that_of_pytorch(seed):
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, factor=0.3, patience=2)
    optimizer = CoupledSGD(0.1)
    ours = schedules.ReduceOnPlateau(0.3, 2)
    ours.set_model(model_with(optimizer))
    losses = 1 + numpy.random.default_rng(seed).normal(0, 1e-3, 40).cumsum()
    losses[::5] = losses[1]  # equal losses are no progress
    used = []
    for epoch, loss in enumerate(losses):
        logs = {"val_loss": loss}
        used.append(theirs.param_groups[0]["lr"])
        ours.on_epoch_end(epoch, logs)
        assert logs["rate"] == pytest.approx(used[-1], rel=1e-6)
        schedule.step(loss)
        assert float(optimizer.learning_rate) == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-6)
    assert theirs.param_groups[0]["lr"] < 0.1


def test_plateau_continues_from_its_stored_state():
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9]

    def rates(callback, optimizer, some):
        callback.set_model(model_with(optimizer))
        found = []
        for epoch, loss in enumerate(some):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            found.append(float(optimizer.learning_rate))
        return found

    whole = rates(schedules.ReduceOnPlateau(0.5, 1), CoupledSGD(0.1), losses)
    first, second = schedules.ReduceOnPlateau(0.5, 1), schedules.ReduceOnPlateau(0.5, 1)
    start = rates(first, CoupledSGD(0.1), losses[:3])
    second.restore(first.state())
    assert start + rates(second, CoupledSGD(start[-1]), losses[3:]) == pytest.approx(whole)
    assert len(set(whole)) == 3


def test_a_step_by_hand():
    """w = 2, dL/dw = 1: g = 1 + 0.1 * 2 = 1.2, b = 1.2, w = 2 - 0.5 * 1.2 = 1.4; next b = 0.9 * 1.2 + 1 + 0.14 = 2.22."""
    variable = keras.Variable([2.0])
    optimizer = CoupledSGD(0.5, momentum=0.9, coupled_decay=0.1)
    optimizer.apply([keras.ops.ones(1)], [variable])
    assert numpy.asarray(variable) == pytest.approx([1.4])
    optimizer.learning_rate = 0.25
    optimizer.apply([keras.ops.ones(1)], [variable])
    assert numpy.asarray(variable) == pytest.approx([1.4 - 0.25 * 2.22])


def test_without_momentum_there_is_no_buffer():
    variable = keras.Variable([2.0])
    optimizer = CoupledSGD(0.5, coupled_decay=0.1)
    optimizer.apply([keras.ops.ones(1)], [variable])
    assert numpy.asarray(variable) == pytest.approx([1.4])
    assert len(optimizer.variables) == 2  # iterations and learning rate


def test_steps_are_those_of_pytorch_while_rate_and_momentum_move():
    torch = pytest.importorskip("torch")
    random = numpy.random.default_rng(0)
    kernel, bias = random.normal(size=(3, 2)).astype("float32"), random.normal(size=2).astype("float32")
    theirs = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in (kernel, bias)]
    ours = [keras.Variable(array) for array in (kernel, bias)]
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, weight_decay=0.05)
    optimizer = CoupledSGD(0.1, momentum=0.9, coupled_decay=0.05)
    optimizer.build(ours)
    for rate, momentum in [(0.1, 0.95), (0.3, 0.85), (0.02, 0.9), (0.01, 0.95)]:
        gradients = [random.normal(size=array.shape).astype("float32") for array in (kernel, bias)]
        group = reference.param_groups[0]
        group["lr"], group["momentum"] = rate, momentum
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        reference.step()
        optimizer.learning_rate = rate
        optimizer.set_momentum(momentum)
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], ours)
        for mine, other in zip(ours, theirs, strict=True):
            numpy.testing.assert_allclose(numpy.asarray(mine), other.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_one_cycle_moves_the_optimizer_inside_mixed_precision():
    optimizer = CoupledSGD(1e-4, momentum=0.0)
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(1, dtype="float32")])
        model.compile(optimizer, "mse")
        model.optimizer.build(model.trainable_variables)
        x = numpy.random.default_rng(0).normal(size=(8, 2)).astype("float32")
        history = model.fit(x, x[:, :1], batch_size=4, epochs=5, verbose=0, callbacks=[schedules.OneCycle(0.02)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert history.history["rate"] == pytest.approx([schedules.one_cycle(step, 10, 0.02)[0] for step in (1, 3, 5, 7, 9)])
    (momentum,) = (variable for variable in optimizer.variables if variable.name == "momentum")
    assert float(momentum) == pytest.approx(0.95)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_the_optimizer_is_saved_with_its_settings():
    optimizer = CoupledSGD(0.2, momentum=0.7, coupled_decay=0.01)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (float(again.learning_rate), again.momentum, again.coupled_decay) == pytest.approx((0.2, 0.7, 0.01))
