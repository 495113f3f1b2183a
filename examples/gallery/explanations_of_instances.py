# %% [markdown]
# # Post hoc explanations of a list of instances
#
# Guided Grad-CAM, Deep SHAP and integrated gradients beside each other, for every image of a list (a CSV with times, such as
# the studies' x_class.csv; here the strongest forecasts). The network that is trained here is a small one; any other will do.
# Each map is checked; what the checks mean: science/README.md.

# %%
from dataset_models.simulated.practice import practice
from network_models.trained_network import open_network
from network_models.xray_flux_forecast.starting_point import network
from science import instance_tables
from science.side_by_side import side_by_side
from tools import command_line, figures
from tools.paths import PROJECT

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

DATASET = PROJECT / "dataset_models/SDO/HMI/full_disk.py"
NETWORK = None  # yours: RUN/best_performing.hdf5
INSTANCES = None  # yours: a CSV with a column time
MAGNETOGRAMS, FLARES = None, None  # yours
VALIDATION_START = "2014-01-08"  # of yours: where validation begins
METHODS = ("Guided Grad-CAM", "Deep SHAP", "integrated gradients")
SMALL = False  # True: fewer days, one epoch

# %%
if NETWORK is None:
    archive = practice(small=SMALL)
    data = ["--folder", MAGNETOGRAMS or archive.magnetograms, "--flares", FLARES or archive.flares, "--image_size", "96"]
    short = ["--validation_start", VALIDATION_START, "--epochs", "1" if SMALL else "3", "--batch_size", "8"]
    NETWORK = network.main(["--dataset", str(DATASET), *data, *short, "--out", "gallery_output"]).folder.best

# %%
if INSTANCES is None:
    INSTANCES = "gallery_output/instances.csv"
    trained = open_network(NETWORK, DATASET)
    trained.data.evaluate(trained.model, "gallery_output/forecasts.csv", split="validation")
    chosen = instance_tables.surest("gallery_output/forecasts.csv", hits=1, false_alarms=1, threshold="median")
    chosen.to_csv(INSTANCES, index=False)
    print(chosen.to_string(index=False))

# %%
side_by_side.main([str(NETWORK), str(DATASET), INSTANCES, "--methods", *METHODS, "--out", "gallery_output/explanations"])
figures.show("gallery_output/explanations")
