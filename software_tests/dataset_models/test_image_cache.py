"""The image cache: which refusals it remembers, and which it tries again."""

import errno
import os

import numpy
import pytest

from dataset_models.images.image_cache import ImageCache
from tools.errors import UserError

SHAPE = (2, 2, 1)


@pytest.fixture
def converted(tmp_path):
    """Convert one source by a function; returns (reasons, the image or None)."""
    source = tmp_path / "archive" / "one.dat"
    source.parent.mkdir()
    source.write_bytes(b"pixels")

    def convert(converter):
        cache = ImageCache(tmp_path / "cache", {"name": "x"}, SHAPE)
        rejected = cache.convert({"one": (source,)}, converter, root=source.parent, label="convert")
        return rejected, None if rejected else cache.read("one")

    return convert


def fine(paths):
    return numpy.ones(SHAPE, "float32")


def failing(cause):
    """A converter whose reader wraps what went wrong, as all of the project's do."""

    def converter(paths):
        try:
            raise cause
        except type(cause) as error:
            raise UserError(f"{paths[0]}: cannot be read ({error})") from error

    return converter


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT, errno.EMFILE])
def test_a_file_that_could_not_be_read_is_tried_again(converted, number):
    rejected, _ = converted(failing(OSError(number, os.strerror(number))))
    assert os.strerror(number) in rejected["one"]
    rejected, image = converted(fine)
    assert rejected == {}
    numpy.testing.assert_array_equal(image, fine(()))


@pytest.mark.parametrize("cause", [OSError("Header missing END card."), ValueError("cut short"), EOFError()])
def test_a_damaged_image_is_remembered(converted, cause):
    first, _ = converted(failing(cause))
    again, _ = converted(fine)
    assert first == again
    assert "one.dat: cannot be read" in again["one"]


@pytest.mark.parametrize("cause", [MemoryError(), OSError(errno.ENOSPC, "No space left on device")])
def test_out_of_memory_or_disk_is_no_fault_of_an_image(converted, cause):
    with pytest.raises(UserError, match=r"one\.dat: cannot be read"):
        converted(failing(cause))
    assert converted(fine)[0] == {}


def test_a_link_that_leads_nowhere_is_named_and_tried_again(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "good.dat").write_bytes(b"pixels")
    (folder / "link.dat").symlink_to(folder / "moved.dat")
    sources = {name: (folder / f"{name}.dat",) for name in ("good", "link")}

    def convert():
        return ImageCache(tmp_path / "cache", {"name": "x"}, SHAPE).convert(sources, fine, root=folder, label="convert")

    assert convert() == {"link": f"{folder / 'link.dat'}: cannot be read (No such file or directory)"}
    (folder / "moved.dat").write_bytes(b"pixels")
    assert convert() == {}
