"""Flips, rotations and epochs of equal classes."""

import pathlib

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_models import augmentation
from dataset_models.augmentation import EqualClasses, EveryWay
from dataset_models.solar_data import load_solar_data

TINY = pathlib.Path(__file__).parents[1] / "network_models" / "tiny_data.py"


def spot(row, column, size=65):
    image = numpy.zeros((size, size, 1), "float32")
    image[row, column] = 1
    return image


def centre(image):
    rows, columns = numpy.indices(image.shape[:2])
    weight = image[..., 0] / image.sum()
    return (rows * weight).sum(), (columns * weight).sum()


def test_flips_name_their_direction():
    image = spot(10, 20)
    assert centre(augmentation.flipped_east_west(image)) == pytest.approx((10, 44))
    assert centre(augmentation.flipped_north_south(image)) == pytest.approx((54, 20))


def test_a_positive_angle_turns_north_towards_east():
    """A spot due north, 22 pixels above the centre, moves left (east) by 22 sin 5 degrees."""
    angle = numpy.deg2rad(5)
    row, column = centre(augmentation.rotated(spot(10, 32), 5.0))
    assert (row, column) == pytest.approx((32 - 22 * numpy.cos(angle), 32 - 22 * numpy.sin(angle)), abs=0.06)


def test_a_rotation_keeps_the_disk_and_every_channel():
    rows, columns = numpy.indices((64, 64)) - 31.5
    disk = (numpy.hypot(rows, columns) < 25).astype("float32")
    image = numpy.stack([disk, 3 * disk], axis=-1)
    turned = augmentation.rotated(image, -4.0)
    assert turned.dtype == numpy.float32
    limb = numpy.abs(numpy.hypot(rows, columns) - 25) < 1.5
    numpy.testing.assert_allclose(turned[..., 0][~limb], disk[~limb], atol=1e-6)
    numpy.testing.assert_allclose(turned[..., 1], 3 * turned[..., 0], atol=1e-6)
    numpy.testing.assert_allclose(augmentation.rotated(image, 0.0), image, atol=1e-7)


def test_turning_back_gives_the_image():
    rows, columns = numpy.indices((64, 64)) - 31.5
    image = numpy.cos(rows / 9)[..., None] * numpy.sin(columns / 7 + 1)[..., None]
    back = augmentation.rotated(augmentation.rotated(image.astype("float32"), 5.0), -5.0)
    inside = numpy.hypot(rows, columns) < 28
    assert numpy.abs(back - image)[inside].max() < 0.02


@given(st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda x: 0 < sum(x) < len(x)), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_classes_are_equal_and_every_sample_is_there(events, epoch):
    events = numpy.array(events)
    epochs = EqualClasses(events, seed=1)
    positions = epochs.positions(epoch)
    assert len(positions) == epochs.count
    assert events[positions].sum() * 2 == epochs.count
    seen = numpy.bincount(positions, minlength=len(events))
    assert seen.min() == 1
    smaller = seen[events == (events.mean() <= 0.5)]
    assert smaller.max() - smaller.min() <= 1


def test_a_class_of_a_quarter_appears_in_all_four_ways():
    targets = numpy.repeat([1, 0], [5, 20])
    epochs = EqualClasses(targets, seed=3)
    image = numpy.random.default_rng(0).random((8, 8, 1)).astype("float32")
    positions = epochs.positions(0)
    for sample in range(5):
        shown = [epochs.changed([image], 0, int(entry))[0] for entry in numpy.flatnonzero(positions == sample)]
        assert len(shown) == 4
        for expected in (image, image[:, ::-1], image[::-1]):
            assert sum(numpy.array_equal(expected, one) for one in shown) == 1
    for entry in numpy.flatnonzero(positions >= 5):
        assert epochs.changed([image], 0, int(entry))[0] is image


def test_changes_depend_on_seed_epoch_and_entry_alone():
    targets = numpy.repeat([1, 0], [3, 40])
    image = numpy.random.default_rng(0).random((16, 16, 1)).astype("float32")

    def epoch(seed, number, backwards=False):
        epochs = EqualClasses(targets, seed=seed)
        entries = range(epochs.count)
        shown = {entry: epochs.changed([image], number, entry)[0] for entry in (reversed(entries) if backwards else entries)}
        return numpy.stack([shown[entry] for entry in entries])

    first = epoch(7, 2)
    numpy.testing.assert_array_equal(first, epoch(7, 2, backwards=True))
    assert not numpy.array_equal(first, epoch(7, 3))
    assert not numpy.array_equal(first, epoch(8, 2))


def test_images_of_a_sample_change_alike_and_vectors_stay():
    epochs = EqualClasses([1, 0, 0, 0, 0, 0, 0, 0], seed=0)
    image = numpy.random.default_rng(0).random((8, 8, 2)).astype("float32")
    vector = numpy.arange(3, dtype="float32")
    kept = image.copy()
    for entry in range(8, 14):
        one, other, side = epochs.changed([image, image, vector], 0, entry)
        numpy.testing.assert_array_equal(one, other)
        assert one.dtype == numpy.float32
        assert not numpy.array_equal(one, image)
        assert side is vector
    numpy.testing.assert_array_equal(image, kept)


@given(st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda x: 0 < sum(x) < len(x)), st.integers(0, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_events_come_in_every_way_and_quiet_samples_twice_where_wanted(events, epoch, twice):
    events = numpy.array(events)
    epochs = EveryWay(events, seed=1, augment_quiet=twice)
    seen = numpy.bincount(epochs.positions(epoch), minlength=len(events))
    assert set(seen[events]) == {4}
    assert set(seen[~events]) == {2 if twice else 1}
    assert epochs.count == seen.sum()
    assert epochs.event_rate == pytest.approx(4 * events.sum() / seen.sum())


def test_the_share_of_flares_is_the_one_that_the_studies_weigh_by():
    """21 flaring and 100 quiet windows: 4 * 21 flaring entries beside 2 * 100 quiet ones."""
    targets = numpy.repeat([1, 0], [21, 100])
    epochs = EveryWay(targets, seed=0, augment_quiet=True)
    assert epochs.event_rate == pytest.approx(84 / 284)
    image = numpy.random.default_rng(0).random((8, 8, 1)).astype("float32")
    shown = [epochs.changed([image], 0, int(entry))[0] for entry in numpy.flatnonzero(epochs.positions(0) == 3)]
    for expected in (image, image[:, ::-1], image[::-1]):
        assert sum(numpy.array_equal(expected, one) for one in shown) == 1
    positions = epochs.positions(0)
    quiet = [(entry, epochs.changed([image], 0, int(entry))[0]) for entry in numpy.flatnonzero(positions >= 21)]
    unchanged = [entry for entry, one in quiet if one is image]
    assert sorted(positions[unchanged]) == list(range(21, 121))
    kinds = {"flips": 0, "rotations": 0}
    for _, one in quiet:
        if one is not image:
            flipped = any(numpy.array_equal(one, flip) for flip in (image[:, ::-1], image[::-1]))
            kinds["flips" if flipped else "rotations"] += 1
    assert sum(kinds.values()) == 100
    assert kinds["rotations"] == pytest.approx(33, abs=15)


def test_equal_classes_with_quiet_samples_twice():
    epochs = EqualClasses(numpy.repeat([1, 0], [5, 20]), seed=0, augment_quiet=True)
    assert (epochs.count, epochs.event_rate) == (80, 0.5)
    seen = numpy.bincount(epochs.positions(2), minlength=25)
    assert set(seen[:5]) == {8}
    assert set(seen[5:]) == {2}
    image = numpy.random.default_rng(0).random((8, 8, 1)).astype("float32")
    images = [[epochs.changed([image], epoch, entry)[0] for entry in range(epochs.count)] for epoch in (0, 1)]
    assert not all(numpy.array_equal(*pair) for pair in zip(*images, strict=True))


@pytest.mark.parametrize("kind", [EqualClasses, EveryWay])
def test_one_class_cannot_be_made_equal(kind):
    with pytest.raises(ValueError, match="two classes"):
        kind(numpy.zeros(4), seed=0)


def test_the_pipeline_shows_the_same_epochs_to_any_number_of_readers():
    data_class = load_solar_data(TINY)

    def epochs(readers, first_epoch, count):
        data = data_class(kind="classification", count=30, side=True)
        sampling = EqualClasses(data.targets("training"), seed=5)
        steps = data.steps("training", 8, sampling)
        batches = data.pipeline(
            "training", batch_size=8, seed=5, first_epoch=first_epoch, readers=readers, sampling=sampling
        ).take(count * steps)
        inputs, targets = zip(*batches, strict=True)
        return (
            numpy.concatenate([one["image"] for one in inputs]),
            numpy.concatenate([one["side_channel"] for one in inputs]),
            numpy.concatenate(targets),
        )

    whole, alone, resumed = epochs(8, 0, 2), epochs(1, 0, 2), epochs(3, 1, 1)
    events = numpy.mean(data_class(kind="classification", count=30).targets("training"))
    assert events != 0.5
    assert whole[2].mean() == 0.5
    for one, other, later in zip(whole, alone, resumed, strict=True):
        numpy.testing.assert_array_equal(one, other)
        numpy.testing.assert_array_equal(one[len(one) // 2 :], later)
