"""Where the digits come from."""

import gzip
import hashlib
import struct

import pytest

from dataset_models import digits
from tools.errors import UserError


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Three digits of each part as MNIST publishes them, in a folder in place of its server."""
    folder = tmp_path / "server"
    folder.mkdir()
    sums = {}
    for name in digits.MD5:
        shape = (3, 4, 4) if "images" in name else (3,)
        count = 48 if "images" in name else 3
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(range(count))
        path = folder / f"{name}.gz"
        path.write_bytes(gzip.compress(content))
        sums[name] = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(digits, "ADDRESS", f"{folder.as_uri()}/")
    monkeypatch.setattr(digits, "MD5", sums)


def test_mnist_is_downloaded_into_the_cache_that_is_not_there_yet(published, user_folders):
    data = digits.Digits(source="mnist")
    data.require_downloaded()
    assert data.is_downloaded()
    assert sorted(path.name for path in (user_folders / "cache" / "mnist").iterdir()) == sorted(f"{n}.gz" for n in digits.MD5)
    assert len(data.times("training")) == 3


def test_a_cache_that_cannot_be_made_is_named(published, user_folders):
    (user_folders / "cache").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"mnist: cannot be made .*; set 'cache' in config\.yml"):
        digits.Digits(source="mnist").download()
