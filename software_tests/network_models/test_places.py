"""Where data came from is kept with the run: the environment of the training counts as a flag does."""

import pathlib

import pandas
import pytest

from network_models import predict, settings
from network_models.run_folder import RunFolder
from network_models.xray_flux_forecast.starting_point import architecture, network
from tools import options
from tools.errors import UserError

DATA = f"""
import dataclasses
import pathlib

from dataset_models.solar_data import Availability, load_solar_data
from tools.options import option
from tools.paths import data_path

TinySun = load_solar_data({str(pathlib.Path(__file__).with_name("tiny_data.py"))!r})


@dataclasses.dataclass(kw_only=True)
class PlacedSun(TinySun):
    '''Tiny suns as many as a file in the folder says.'''

    folder: str | None = option(None, "folder", place="hmi")
    lists: tuple[str, ...] = option((), "flare lists", place="flares")
    tables: tuple[str, ...] = option((), "files that flags alone name", place="file")

    @property
    def _file(self):
        return data_path("hmi", self.folder) / "count.txt"

    def times(self, split):
        return super().times(split)[: int(self._file.read_text())]

    def is_downloaded(self):
        missing = () if self._file.is_file() else (str(self._file),)
        return Availability((str(self._file),), 1 - len(missing), missing)
"""


@pytest.fixture
def dataset(tmp_path):
    file = tmp_path / "placed.py"
    file.write_text(DATA)
    for name, count in (("here", 9), ("there", 9), ("other", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "count.txt").write_text(str(count))
    return file


def parsed(dataset, *flags):
    flags = [str(flag) for flag in flags] if "--resume" in flags else ["--dataset", str(dataset), *map(str, flags)]
    return settings.parse(flags, "", network_folder=dataset.parent, network=architecture.Options)


def stored_run(chosen):
    folder = RunFolder.create(chosen.network_folder)
    folder.write_settings({**chosen.as_dictionary(), **chosen.data.describe()})
    return folder


def test_the_environment_is_kept_like_a_flag(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOLAR_HMI", "here")  # relative to where the training was started
    monkeypatch.setenv("SOLAR_FLARES", str(tmp_path / "flares.csv"))
    run = stored_run(parsed(dataset))
    kept = {"folder": str(tmp_path / "here"), "lists": [str(tmp_path / "flares.csv")]}
    assert kept.items() <= run.settings()["data_options"].items()
    for key in ("HMI", "FLARES"):
        monkeypatch.delenv(f"SOLAR_{key}")
    monkeypatch.chdir("/")
    assert parsed(dataset, "--resume", run).data.folder == str(tmp_path / "here")
    assert capsys.readouterr().err == ""
    # The run's own wins over another environment, which is said; a flag wins over both.
    monkeypatch.setenv("SOLAR_HMI", str(tmp_path / "other"))
    assert run.data_options(dataset)["folder"] == str(tmp_path / "here")
    note = f"note: {tmp_path}/here, as in the run, not SOLAR_HMI={tmp_path}/other; --folder chooses another\n"
    assert capsys.readouterr().err == note
    assert parsed(dataset, "--resume", run, "--folder", tmp_path / "there").data.folder == str(tmp_path / "there")


def test_a_run_goes_on_with_moved_data_but_not_with_others(dataset, tmp_path):
    run = stored_run(parsed(dataset, "--folder", tmp_path / "here"))
    with pytest.raises(UserError, match=r"--folder: other samples than .* was begun with"):
        parsed(dataset, "--resume", run, "--folder", tmp_path / "other")
    with pytest.raises(UserError, match=r"missing .*nowhere/count\.txt"):
        parsed(dataset, "--resume", run, "--folder", tmp_path / "nowhere")
    with pytest.raises(UserError, match="remove --count"):
        parsed(dataset, "--resume", run, "--count", 3)


def test_files_that_flags_name_are_kept_and_known_by_their_content(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOLAR_FILE", "/nowhere")  # no kind of the environment's
    (tmp_path / "a.csv").write_text("1\n")
    (tmp_path / "b.csv").write_text("2\n")
    run = stored_run(parsed(dataset, "--folder", "here", "--tables", "a.csv", "b.csv", "--start_from", "a.hdf5"))
    stored = run.settings()
    assert stored["data_options"]["tables"] == [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    assert stored["training_options"]["start_from"] == str(tmp_path / "a.hdf5")
    assert parsed(dataset, "--folder", "here").data.tables == ()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert parsed(dataset, "--resume", run).data.tables == (str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))
    (elsewhere / "a.csv").write_text("1\n")
    (elsewhere / "b.csv").write_text("2\n")
    resumed = parsed(dataset, "--resume", run, "--tables", elsewhere / "a.csv", elsewhere / "b.csv")
    assert resumed.data.tables == (str(elsewhere / "a.csv"), str(elsewhere / "b.csv"))
    (elsewhere / "b.csv").write_text("3\n")
    with pytest.raises(UserError, match=r"--tables: another content than .* was begun with; give the place of the same data"):
        parsed(dataset, "--resume", run, "--tables", elsewhere / "a.csv", elsewhere / "b.csv")


def test_flags_win_over_the_environment_and_that_over_the_configuration(dataset, tmp_path, monkeypatch):
    data_class = type(parsed(dataset, "--folder", tmp_path / "here").data)
    monkeypatch.delenv("SOLAR_CONFIG")
    assert options.with_places(data_class, {}) == {}  # the project's own config.yml may change with the data
    other = tmp_path / "lab.yml"
    other.write_text("hmi: magnetograms\n")
    monkeypatch.setenv("SOLAR_CONFIG", str(other))
    assert options.with_places(data_class, {}) == {"folder": str(tmp_path / "magnetograms")}
    monkeypatch.setenv("SOLAR_HMI", "/environment")
    assert options.with_places(data_class, {}) == {"folder": "/environment"}
    assert options.with_places(data_class, {"folder": "/flag", "kind": "x"}) == {"folder": "/flag", "kind": "x"}


@pytest.mark.long
def test_forecasts_of_a_new_shell_are_of_the_runs_own_data(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("SOLAR_HMI", str(tmp_path / "here"))
    flags = ["--dataset", str(dataset), "--epochs", "1", "--block_channels", "2", "--out", str(tmp_path / "out")]
    run = network.main(flags).folder
    monkeypatch.setenv("SOLAR_HMI", str(tmp_path / "nowhere"))
    predict.main([str(run.best), str(dataset), "--out", str(tmp_path / "f.csv")])
    expected = pandas.read_csv(run.performance / "validation_forecasts.csv")
    assert len(expected) == 9
    pandas.testing.assert_frame_equal(pandas.read_csv(tmp_path / "f.csv"), expected)
