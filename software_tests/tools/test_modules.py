"""Files loaded by their paths: once each, by names of their own, with their own neighbours."""

import sys

import pytest

from tools import modules
from tools.errors import UserError


def written(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_files_of_one_name_are_two_modules_with_neighbours_of_their_own(tmp_path):
    text = "from .helper import VALUE\n\n\ndef value():\n    return VALUE\n"
    folders = [written(tmp_path / name, architecture=text, helper=f"VALUE = {name!r}\n") for name in ("a", "b")]
    first, second = (modules.load(folder / "architecture.py") for folder in folders)
    assert (first.value(), second.value()) == ("a", "b")
    assert modules.load(folders[0] / "architecture.py") is first
    assert modules.load(folders[0] / "helper.py") is sys.modules[f"{first.__package__}.helper"]


def test_a_file_named_like_a_library_does_not_replace_it(tmp_path):
    import h5py

    folder = written(
        tmp_path, h5py="mine = True\n", network="import h5py\n\nversion = h5py.version\nfrom . import h5py as own\n"
    )
    network = modules.load(folder / "network.py")
    assert network.version is h5py.version
    assert network.own.mine
    assert sys.modules["h5py"] is h5py


def test_files_inside_a_room_are_imported_by_their_dotted_name():
    path = modules.PROJECT / "network_models/xray_flux_forecast/starting_point/architecture.py"
    from network_models.xray_flux_forecast.starting_point import architecture

    assert modules.load(path) is architecture


@pytest.mark.parametrize("name", ["with-dash", "2nd", "swap.174"])
def test_any_file_name_will_do(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    assert modules.load(tmp_path / f"{name}.py").value == 1


def test_errors_are_one_line_and_leave_nothing_behind(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.py: no such \.py file"):
        modules.load(tmp_path / "nothing.py")
    broken = written(tmp_path, broken="value = 1\nraise ValueError('two\\nlines')\n") / "broken.py"
    for _ in range(2):
        with pytest.raises(UserError, match=r"broken\.py: cannot be imported \(ValueError: two lines\)"):
            modules.load(broken)
    broken.write_text("value = 12345\n")
    assert modules.load(broken).value == 12345
