"""Fixtures of all tests: real data where it is present, and nothing of the user's within reach."""

import os
import pathlib

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # the numbers that scripts give
os.environ["MPLBACKEND"] = "Agg"

PROJECT = pathlib.Path(__file__).resolve().parents[1]

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


SHARED = pathlib.Path(os.environ.get("SOLAR_SHARED") or PROJECT.parent / "shared" / "real")


@pytest.fixture(scope="session")
def shared():
    """Folder of real images and catalogues; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED} (set SOLAR_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def shared_or_none():
    """As `shared`, for tests that have more to check where real data are: None where they are absent."""
    return SHARED if SHARED.is_dir() else None


@pytest.fixture(scope="session")
def golden_folder():
    """Folder of golden numbers that other software gave, see its README."""
    return PROJECT / "software_tests" / "golden"


@pytest.fixture(autouse=True)
def user_folders(tmp_path, monkeypatch):
    """Point every data location at an empty temporary folder."""
    config = tmp_path / "user" / "config.yml"
    config.parent.mkdir()
    config.write_text("aia: aia\nhmi: hmi\ngoes: xrs.sqlite\nflares: flares.csv\ncache: cache\n")
    monkeypatch.setenv("SOLAR_CONFIG", str(config))
    for key in ("AIA", "HMI", "GOES", "FLARES", "CACHE"):
        monkeypatch.delenv(f"SOLAR_{key}", raising=False)
    return config.parent
