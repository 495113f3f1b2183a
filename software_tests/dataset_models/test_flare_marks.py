"""Marks of flares: sizes, and places on a map of the disk."""

import numpy
import pytest
from PIL import Image

from dataset_models.flares import flare_marks
from dataset_models.images.geometry import rotation_rate
from dataset_models.SDO.HMI.full_disk import FullDiskMagnetograms
from dataset_models.simulated.sun import SimulatedSun, image_header
from tools.errors import UserError

SHAPE, GRID = (64, 64), (16, 16)
HEADER = image_header(64, "2011-01-01")


def place(longitude, latitude, days=0.0, grid=GRID):
    return flare_marks.places_on_map(HEADER, SHAPE, grid, [longitude], [latitude], [days])[0]


def test_a_place_is_where_the_region_was_in_the_image():
    row, column = divmod(place(1.0, 1.0), GRID[1])
    assert (row, column) == (7, 8)  # just north and west of the middle
    assert divmod(place(1.0, -1.0), GRID[1]) == (8, 8)
    assert place(60.0, 20.0) % GRID[1] > 8 > place(-60.0, 20.0) % GRID[1]
    for latitude in (-30.0, 5.0, 25.0):  # what flares a day later was farther east
        assert place(20.0 + rotation_rate(latitude), latitude, days=1.0) == place(20.0, latitude)
    assert place(-85.0, 10.0, days=1.0) == flare_marks.UNKNOWN  # came over the limb
    assert place(120.0, 10.0) == place(numpy.nan, 10.0) == place(10.0, numpy.nan) == flare_marks.UNKNOWN
    assert place(95.0, 10.0, days=1.0) != flare_marks.UNKNOWN  # went over it


def test_strongest_flares_are_kept_in_order():
    many = numpy.linspace(0, 2, 100)
    marks = flare_marks.packed([(many, numpy.arange(100)), ([], []), ([0.5], [-1])])
    assert marks.shape == (3, flare_marks.MOST_FLARES, 2)
    numpy.testing.assert_array_equal(marks[0, :, 1], numpy.arange(100)[::-1][: flare_marks.MOST_FLARES])
    assert (marks[1] == -1).all()
    assert marks[2, 0].tolist() == [0.5, -1.0]
    assert flare_marks.packed([]).shape == (0, 1, 2)


@pytest.fixture(scope="module")
def sun():
    keywords = {"channel_set": "hmi", "activity": "clear cut", "dependent_variable": "flare", "start": "1980-01-01"}
    return SimulatedSun(image_size=64, days=60, **keywords)


def test_flares_of_the_simulated_sun_are_in_the_region_that_flares(sun):
    marks, inside = sun.flare_marks("training"), 0
    for time, flares in zip(sun.times("training"), marks, strict=True):
        mask = sun.ground_truth.masks(time).get(sun.ground_truth.flaring_region(time))
        if mask is None or flares[0, 1] < 0 or sun.ground_truth.regions(time)["angle"].max() > 70:
            continue
        placed = flares[flares[:, 1] >= 0]
        rows, columns = numpy.divmod(placed[:, 1].astype(int), 64)
        others = numpy.any(list(sun.ground_truth.masks(time).values()), axis=0)
        near = numpy.any([others[rows + i, columns + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
        assert near.all()
        inside += mask[rows[0], columns[0]]
    assert inside > 5
    coarse = sun.flare_marks("training", GRID)
    numpy.testing.assert_array_equal(coarse[..., 0], marks[..., 0])
    placed = marks[..., 1] >= 0
    rows, columns = numpy.divmod(marks[..., 1][placed].astype(int), 64)
    numpy.testing.assert_array_equal(coarse[..., 1][placed], rows // 4 * GRID[1] + columns // 4)


def test_strong_flares_of_the_simulated_sun_are_events(sun):
    strong = (sun.flare_marks("training")[..., 0] >= 1.0).any(axis=1)
    assert strong.any()
    assert not strong.all()
    numpy.testing.assert_array_equal(sun.targets("training")[strong], 1.0)


@pytest.fixture
def magnetograms(tmp_path):
    folder = tmp_path / "HMI"
    folder.mkdir()
    for hour in range(4):
        grey = numpy.full((16, 16), 127, "uint8")
        grey[4, 4 + hour] = 255
        Image.fromarray(grey).save(folder / f"HMI.m2026.02.01_0{hour}.00.00.jpg")
    rows = [
        "2026-01-31T00:30,C2.0,0,0",
        "2026-02-01T00:30,C2.0,60,10",
        "2026-02-01T00:40,M1.5,,",
        "2026-02-01T00:50,B9.0,5,5",
        "2026-02-01T03:30,X1.0,-120,5",
        "2026-02-03T00:00,C2.0,0,0",
    ]
    (tmp_path / "flares.csv").write_text("\n".join(["start_time,goes_class,fl_lon,fl_lat", *rows]))
    return tmp_path


def full_disk(folder, **keywords):
    keywords = {"flares": (str(folder / "flares.csv"),), "validation_start": "2026-02-01T03:00", **keywords}
    return FullDiskMagnetograms(folder=str(folder / "HMI"), image_size=16, window_hours=1.0, **keywords)


def test_flares_of_lists_have_a_place_where_the_list_has_a_position(magnetograms):
    data = full_disk(magnetograms)
    marks = data.flare_marks("training", (8, 8))
    numpy.testing.assert_allclose(marks[0, :, 0], [numpy.log10(15), numpy.log10(2)], rtol=1e-6)  # no B-class flare
    assert marks[0, 0, 1] == -1
    row, column = divmod(int(marks[0, 1, 1]), 8)
    assert row in (2, 3)
    assert column in (6, 7)
    assert (marks[1:] == -1).all()
    assert data.flare_marks("validation", (8, 8))[0].tolist() == [[2.0, -1.0]]  # on the far side


def test_label_tables_give_the_strongest_flare_of_unknown_place(magnetograms):
    table = magnetograms / "labels.csv"
    rows = [
        f"HMI.m2026.02.01_0{hour}.00.00.jpg,{name},{int(name[0] in 'MX')}"
        for hour, name in enumerate(("M2.0", "FQ", "C3.0", "X1.0"))
    ]
    table.write_text("\n".join(["label,goes_class,target", *rows]))
    data = full_disk(magnetograms, labels=(str(table),), flares=())
    marks = numpy.concatenate([data.flare_marks(split) for split in ("training", "validation")])
    assert marks.shape[1:] == (1, 2)
    assert (marks[..., 1] == -1).all()
    numpy.testing.assert_allclose(marks[:, 0, 0], numpy.maximum(numpy.log10([20, 0.1, 3, 100]), -1)[: len(marks)], rtol=1e-5)


def test_label_tables_without_classes_are_refused(magnetograms):
    table = magnetograms / "labels.csv"
    rows = [f"HMI.m2026.02.01_0{hour}.00.00.jpg,{hour % 2}" for hour in range(4)]
    table.write_text("\n".join(["label,target", *rows]))
    data = full_disk(magnetograms, labels=(str(table),), flares=())
    with pytest.raises(UserError, match="states 0 and 1 alone"):
        data.flare_marks("training")
