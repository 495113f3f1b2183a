# %% [markdown]
# # Where the attention network looks: two hits and a false alarm
#
# Attention weights are what the network itself uses; they do not say whether a place raised or lowered the forecast.

# %%
from dataset_models.simulated.practice import practice
from network_models.full_disk_flare_forecast import train
from network_models.trained_network import open_network
from science import instance_tables
from science.side_by_side import side_by_side
from tools import command_line, figures
from tools.paths import PROJECT

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

DATASET = PROJECT / train.DATASET
NETWORK = None  # yours: RUN/best_performing.hdf5
MAGNETOGRAMS, FLARES = None, None  # yours
VALIDATION_START = "2014-01-08"  # of yours: where validation begins
SMALL = False  # True: fewer days

# %%
if NETWORK is None:
    archive = practice(small=SMALL)
    data = ["--folder", MAGNETOGRAMS or archive.magnetograms, "--flares", FLARES or archive.flares, "--image_size", "192"]
    short = ["--validation_start", VALIDATION_START, "--epochs", "1", "--steps_per_epoch", "5", "--batch_size", "8"]
    NETWORK = train.main(["--models", "attention", *data, *short, "--max_lr", "0.001", "--out", "gallery_output"]).folder.best

# %% [markdown]
# ## Two hits and a false alarm
# The threshold is the median forecast: a network of one epoch is not calibrated.

# %%
trained = open_network(NETWORK, DATASET)
trained.data.evaluate(trained.model, "gallery_output/attention.csv", split="validation")
chosen = instance_tables.surest("gallery_output/attention.csv", hits=2, false_alarms=1, threshold="median")
chosen.to_csv("gallery_output/hits_and_a_false_alarm.csv", index=False)
print(chosen.to_string(index=False))

# %% [markdown]
# ## The maps of its three estimators, a row for each instance
# Beside the picture lie a table with a row for each map, and the maps' checks.

# %%
shown = [str(NETWORK), str(DATASET), "gallery_output/hits_and_a_false_alarm.csv"]
estimators = [f"attention {number}" for number in (1, 2, 3)]
side_by_side.main([*shown, "--methods", *estimators, "--out", "gallery_output/attention_maps"])
figures.show("gallery_output/attention_maps")
