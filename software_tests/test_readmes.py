"""Every command that a README names is run by a test: which one, and whether its flags exist.

A command that is added to a README has no entry in `COVERED` and fails here until it has one.
"""

import ast
import contextlib
import io
import pathlib
import re
import shlex
import typing

import pytest

from tools import modules

TESTS = pathlib.Path(__file__).resolve().parent
PROJECT = TESTS.parent
READMES = sorted(
    path.relative_to(PROJECT).as_posix()
    for path in (*PROJECT.glob("*.md"), *PROJECT.glob("[!.]*/**/*.md"), *PROJECT.glob("examples/**/*.sbatch"))
    if "_build" not in path.parts
)
_COMMAND = re.compile(r"\bpython(?:3(?:\.\d+)?)? +(?P<script>\S+\.py|\$script)\b(?P<rest>.*)")
_PARTS = ("fit", "apply", "cross")  # of scripts that do several things
_PLACES = ("--dataset", "--models", "--architecture", "--network")  # decide which other flags there are
_WAYS = ("--start_from", "--resume", "--preset", "--settings", "--calibrated", "--images", "--mode", "--crop", "--scheduler")


class Command(typing.NamedTuple):
    """A command of a README: its script, and the words after it."""

    readme: str
    script: str
    words: tuple

    @property
    def key(self):
        """What tells it from other commands of the script: the README and the part or data set that is chosen."""
        chosen = [pathlib.PurePath(word).stem for word in self.chosen if not word.startswith("--")]
        return self.script, " ".join([*chosen, *(flag.removeprefix("--") for flag in _WAYS if flag in self.words)])

    @property
    def chosen(self):
        """The words that decide which flags there are: list of str."""
        chosen = [word for word in self.words[:1] if word in _PARTS or (word.endswith(".py") and (PROJECT / word).is_file())]
        for flag in _PLACES:
            if flag in self.words:
                chosen += [flag, self.words[self.words.index(flag) + 1]]
        return chosen


def commands_of(text, readme):
    """The commands of a README: list of Command. Code is what is indented by four spaces; a script is all code.

    A line that is a comment may hold a command of other software.
    """
    lines = text.splitlines()
    script = readme.endswith(".sbatch")
    lines = lines if script else [line[4:] for line in lines if line.startswith("    ")]
    code = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    variable = re.search(r"^script=(\S+)", code, re.MULTILINE)
    found = []
    for match in _COMMAND.finditer(code):
        path = variable[1] if match["script"] == "$script" else match["script"]
        rest = re.sub(r"\s#.*|[\[\]]", "", match["rest"])
        found.append(Command(readme, path, tuple(shlex.split(rest))))
    return found


COMMANDS = [command for readme in READMES for command in commands_of((PROJECT / readme).read_text(encoding="utf-8"), readme)]

# (script, what is chosen): the test that runs it, from what the command before it in the README writes.
CHAINS = "network_models/test_chains.py"
DATA = "network_models/test_data_chains.py"
DOWNLOAD = "dataset_models/test_download.py"
CALIBRATED = f"{CHAINS}::test_a_run_is_calibrated_forecasts_new_images_and_is_verified"
SPLIT = f"{CHAINS}::test_a_split_through_verification_calibration_and_combination"
NOW = f"{CHAINS}::test_a_forecast_for_now_uses_the_history_as_long_as_it_is_known"
RATES = "network_models/test_flare_rates.py::test_a_network_learns_which_region_flares"
DEMO = "examples/test_examples.py::test_the_demonstration_leaves_a_picture_of_every_tool"
LEAK = f"{CHAINS}::test_labels_of_an_archive_through_the_leak_check"
FLUX = f"{CHAINS}::test_aia_and_goes_through_import_training_and_prediction"
JPEG_2000 = f"{DATA}::test_jpeg_2000_converted_trained_on_and_forecast_from"
AVERAGED = f"{DATA}::test_averaged_arrays_of_jpeg_2000_and_the_files_themselves_are_trained_on"
FURTHER = f"{DATA}::test_a_network_of_the_simulated_sun_is_trained_further_on_an_archive"
DOWNLOADED = f"{DATA}::test_downloads_converted_and_trained_on"
SEARCH = f"{DATA}::test_what_a_search_found_best_is_trained_by_its_values"
EVERY_METHOD = f"{CHAINS}::test_a_run_on_an_archive_through_every_method"
PUBLISHED = "network_models/test_pytorch_weights.py::test_script_writes_a_network_that_loads"
COVERED = {
    # Networks
    ("network_models/xray_flux_forecast/fdl1/aia_only.py", ""): DEMO,
    ("network_models/xray_flux_forecast/flux_history/network.py", ""): (
        "network_models/test_flux_history_network.py::test_a_run_its_forecasts_of_another_time_and_a_map"
    ),
    ("network_models/xray_flux_forecast/fdl1/aia_only.py", "fdl_1"): f"{DATA}::test_aia_converted_ahead_of_training",
    ("network_models/xray_flux_forecast/fdl1/aia_only.py", "preset"): (
        "network_models/test_presets.py::test_fdl1_as_flarenet_had_it_pools_before_it_convolves"
    ),
    ("network_models/xray_flux_forecast/fdl1/aia_only.py", "settings"): (
        "network_models/test_presets.py::test_settings_of_a_run_begin_a_new_one"
    ),
    ("network_models/xray_flux_forecast/fdl1/aia_only.py", "resume"): (
        "network_models/test_experiment.py::test_an_interrupted_run_continues_to_the_same_network"
    ),
    ("network_models/xray_flux_forecast/starting_point/network.py", "full_disk"): DOWNLOADED,
    ("network_models/xray_flux_forecast/starting_point/network.py", "swap_174"): (
        "examples/test_examples.py::test_a_real_swap_image_through_the_example_data_set"
    ),
    ("network_models/xray_flux_forecast/starting_point/network.py", "browse_pictures"): (
        "dataset_models/test_browse_pictures.py::test_channels_are_matched_in_time_and_what_is_left_out_is_counted"
    ),
    ("network_models/xray_flux_forecast/starting_point/network.py", "sdoml_flares"): (
        "dataset_models/test_sdoml.py::test_a_network_trains_on_a_store_and_labels_of_surya_bench"
    ),
    ("network_models/xray_flux_forecast/starting_point/network.py", "gong_png"): (
        "examples/test_examples.py::test_gong_pictures_through_the_example_data_set"
    ),
    ("network_models/xray_flux_forecast/starting_point/network.py", ""): (
        "network_models/test_distribution.py::test_processes_train_as_one_does"
    ),
    ("network_models/full_disk_flare_forecast/train.py", "attention"): (
        "network_models/test_train_full_disk.py::test_every_network_trains_with_history"
    ),
    ("network_models/full_disk_flare_forecast/train.py", "preset"): (
        "network_models/test_train_full_disk.py::test_presets_are_for_their_networks_and_set_what_they_say"
    ),
    ("network_models/full_disk_flare_forecast/train.py", "vgg start_from preset"): (
        "network_models/test_pytorch_weights.py::test_a_run_starts_from_imagenet"
    ),
    ("network_models/full_disk_flare_forecast/train.py", "alex"): JPEG_2000,
    ("network_models/full_disk_flare_forecast/train.py", "sun alex"): FURTHER,
    ("network_models/full_disk_flare_forecast/train.py", "alex start_from"): FURTHER,
    ("network_models/full_disk_flare_forecast/train.py", "resume"): (
        "network_models/test_train_full_disk.py::test_an_interrupted_run_continues_as_if_it_had_not_been"
    ),
    ("network_models/pytorch_weights.py", ""): PUBLISHED,
    ("network_models/convert_network.py", ""): (
        "network_models/test_convert_network.py::test_settings_travel_with_a_network_of_a_run"
    ),
    ("network_models/compare_runs.py", ""): "network_models/test_looking_at_runs.py::test_runs_side_by_side",
    ("network_models/network_weights.py", ""): "network_models/test_looking_at_runs.py::test_weights_of_a_network",
    ("network_models/architecture_search/search.py", "fdl1"): SEARCH,
    (".../search.py", ""): "network_models/test_architecture_search.py::test_two_workers_share_one_search",
    ("network_models/beta_vae/train.py", ""): f"{CHAINS}::test_latents_of_digits",
    ("network_models/beta_vae/train.py", "preset"): (
        "network_models/test_beta_vae.py::test_the_command_of_the_thesis_trains_on_mnist"
    ),
    ("network_models/beta_vae/train.py", "flare_sequences preset"): (
        "network_models/test_beta_vae.py::test_an_autoencoder_is_saved_and_trains"
    ),
    ("network_models/beta_vae/train.py", "full_disk full_disk"): f"{CHAINS}::test_latents_of_magnetograms",
    ("network_models/beta_vae/train.py", "flare_sequences sequence"): f"{CHAINS}::test_latents_of_sequences_before_flares",
    ("network_models/flare_rates/train.py", ""): RATES,
    ("network_models/flare_rates/train.py", "history"): RATES,
    ("network_models/flare_rates/train.py", "sun images"): (
        "network_models/test_flare_rates.py::test_rates_of_images_train_on_the_simulated_sun"
    ),
    ("science/rate_map/rate_map.py", ""): "science/test_rate_map.py::test_what_the_script_writes",
    ("network_models/flare_rates/forecast.py", ""): RATES,
    ("network_models/flare_rates/forecast.py", "images"): RATES,
    ("science/verification/regions.py", ""): "science/test_region_verification.py::test_regions_are_scored_alike_disks",
    # Forecasts
    ("network_models/predict.py", ""): "network_models/test_predict.py::test_every_nth_sample_of_the_training_split",
    ("network_models/predict.py", "calibrated"): SPLIT,
    ("network_models/predict.py", "calibrated images"): CALIBRATED,
    ("network_models/predict.py", "images"): NOW,
    ("network_models/predict.py", "images scheduler"): (
        "network_models/test_predict.py::test_processes_and_a_cluster_forecast_as_one_process"
    ),
    ("network_models/forecasts/calibration.py", "fit"): CALIBRATED,
    ("network_models/forecasts/calibration.py", "cross"): SPLIT,
    ("network_models/forecasts/combination.py", "cross"): SPLIT,
    ("network_models/forecasts/combination.py", "fit"): NOW,
    ("science/operational_forecast/export.py", ""): (
        "science/test_forecast_export.py::test_every_format_comes_back_as_it_is_in_the_log"
    ),
    ("network_models/forecasts/combination.py", "apply"): NOW,
    ("science/operational_forecast/page.py", ""): "science/test_forecast_page.py::test_the_page_has_the_newest_forecast",
    ("science/report/report.py", ""): "science/test_report.py::test_the_report_has_all_of_a_run",
    ("science/verification/verification.py", ""): CALIBRATED,
    ("science/verification/published_record.py", ""): "science/test_published_record.py::test_what_the_command_writes",
    ("science/near_limb/near_limb.py", ""): CALIBRATED,
    # Forecasts as they are issued
    ("science/operational_forecast/forecast.py", ""): (
        "science/test_operational_forecast.py::test_replay_marks_counts_and_goes_on"
    ),
    ("science/operational_forecast/verify.py", ""): (
        "science/test_forecast_verification.py::test_command_writes_tables_and_pictures"
    ),
    ("science/operational_forecast/region_scores.py", ""): (
        "science/test_forecast_verification.py::test_files_of_regions_are_scored_without_a_log"
    ),
    ("science/operational_forecast/log.py", ""): "science/test_forecast_log.py::test_the_command_proves_the_chain",
    # Explanations
    ("science/saliency/saliency.py", ""): DEMO,
    ("science/deconvolutional/deconvolutional.py", ""): DEMO,
    ("science/embedding/tsne.py", ""): DEMO,
    ("science/integrated_gradients/integrated_gradients.py", ""): f"{CHAINS}::test_images_of_an_archive_are_explained",
    ("science/side_by_side/side_by_side.py", ""): EVERY_METHOD,
    ("science/latent_traversal/latent_traversal.py", ""): f"{CHAINS}::test_latents_of_digits",
    # Data
    ("dataset_models/simulated/archive.py", ""): (
        "dataset_models/test_simulated_archive.py::test_the_month_is_the_default_and_each_part_of_it_can_be_changed"
    ),
    ("dataset_models/goes_xrs.py", ""): FLUX,
    ("dataset_models/flare_catalogue.py", ""): (
        "dataset_models/test_flare_pictures.py::test_the_script_draws_lists_and_refuses_empty_ones"
    ),
    ("dataset_models/look.py", ""): "dataset_models/test_look.py::test_images_that_cannot_be_read_cost_no_others",
    ("dataset_models/look.py", "full_disk"): "dataset_models/test_look.py::test_the_script_draws_a_batch_a_sample_and_windows",
    ("network_models/diagram.py", ""): "network_models/test_diagram.py::test_the_script_draws_by_name_and_from_a_file",
    ("dataset_models/goes_flares.py", ""): "dataset_models/test_goes_flares.py::test_the_script_draws_and_compares",
    ("dataset_models/flux_tables.py", ""): "dataset_models/test_flux_tables.py::test_the_script_takes_times_from_image_names",
    ("dataset_models/flare_labels.py", "images"): LEAK,
    ("dataset_models/flux_agreement.py", ""): ("dataset_models/test_flux_agreement.py::test_genuine_flares_of_an_x_flare_day"),
    ("dataset_models/leak_check.py", ""): LEAK,
    ("science/saliency/saliency.py", "scheduler"): "science/test_image_lists.py::test_a_cluster_explains_a_list_as_one_process",
    ("dataset_models/conversion/jp2_to_images.py", ""): JPEG_2000,
    ("dataset_models/conversion/jp2_to_images.py", "mode"): AVERAGED,
    ("dataset_models/conversion/jp2_to_images.py", "scheduler"): (
        "dataset_models/test_jp2_to_images.py::test_a_cluster_that_loses_a_worker_converts_each_file_once"
    ),
    ("dataset_models/conversion/jp2_to_images.py", "crop"): "dataset_models/test_jp2_to_images.py::test_cut_outs",
    ("dataset_models/SDO/HMI/flare_sequences.py", ""): f"{CHAINS}::test_latents_of_sequences_before_flares",
    ("dataset_models/download/helioviewer.py", ""): DOWNLOADED,
    ("dataset_models/download/hek.py", ""): DOWNLOADED,
    ("dataset_models/download/aia_synoptic.py", ""): f"{DOWNLOAD}::test_aia_frames_by_listing",
    ("dataset_models/download/goes.py", ""): f"{DOWNLOAD}::test_goes_into_the_store",
    ("dataset_models/download/donki.py", ""): f"{DOWNLOAD}::test_donki_windows_without_their_key",
    ("dataset_models/download/noaa_regions.py", ""): f"{DOWNLOAD}::test_regions_of_a_day",
    ("dataset_models/download/jsoc_hmi.py", ""): (
        "dataset_models/test_download_jsoc_hmi.py::test_a_day_is_listed_exported_fetched_and_read"
    ),
    ("dataset_models/download/swpc.py", ""): "dataset_models/test_download_swpc.py::test_flux_flares_and_probabilities_of_now",
}


def test_commands_are_found_where_they_stand():
    text = "Or python none.py\n\n    # python theirs.py\n"
    text += "    .venv/bin/python a/b.py fit x.csv \\\n        --images NEW.jpg [--target 1]   # note\n"
    (found,) = commands_of(text, "README.md")
    assert found == ("README.md", "a/b.py", ("fit", "x.csv", "--images", "NEW.jpg", "--target", "1"))
    assert found.key == ("a/b.py", "fit images")
    text = 'script=a/c.py\nif true; then\n    srun python $script --resume "$run"\nfi\n'
    assert [one.key for one in commands_of(text, "job.sbatch")] == [("a/c.py", "resume")]
    assert {command.readme for command in COMMANDS} > {"README.md", "network_models/beta_vae/README.md"}
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("readme", sorted({command.readme for command in COMMANDS}))
def test_every_command_of_a_readme_is_run_by_a_test(readme):
    missing = [command.key for command in COMMANDS if command.readme == readme and command.key not in COVERED]
    assert not missing, f"{readme} names commands that no entry of COVERED in {pathlib.Path(__file__).name} covers"


def test_no_entry_is_left_of_a_command_that_is_gone():
    assert not set(COVERED) - {command.key for command in COMMANDS}


@pytest.mark.parametrize(("file", "name"), sorted({tuple(test.split("::")) for test in COVERED.values()}))
def test_the_tests_that_are_named_exist(file, name):
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("script", sorted({command.script for command in COMMANDS if "..." not in command.script}))
def test_the_flags_of_the_readmes_exist(script):
    main = modules.load(PROJECT / script).main
    for command in COMMANDS:
        if command.script != script:
            continue
        flags = {word.split("=")[0] for word in command.words if word.startswith("--")}
        chosen = [str(PROJECT / word) if word.endswith(".py") else word for word in command.chosen]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
            main([*chosen, "--help"])
        known = set(re.findall(r"(?<![\w-])--[\w-]+", shown.getvalue()))
        assert not flags - known, f"{command.readme}: {script}"
