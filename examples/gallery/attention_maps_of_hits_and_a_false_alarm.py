# %% [markdown]
# # Where the attention network looks: two hits and a false alarm
#
# Attention weights are what the network itself uses; they do not say whether a place raised or lowered the forecast.

# %%
from dataset_models.simulated.practice import practice
from network_models.full_disk_flare_forecast import train
from science.attention_maps.attention_maps import attention_maps
from science.explanation import instances, subject
from tools import figures
from tools.paths import PROJECT

NETWORK = None  # yours: RUN/best_performing.hdf5
MAGNETOGRAMS, FLARES = None, None  # yours
SMALL = False  # True: fewer days, one epoch

# %%
if NETWORK is None:
    archive = practice(small=SMALL)
    data = ["--folder", MAGNETOGRAMS or archive.magnetograms, "--flares", FLARES or archive.flares, "--image_size", "192"]
    short = ["--validation_start", "2014-01-08", "--epochs", "1" if SMALL else "2", "--batch_size", "8", "--max_lr", "0.001"]
    NETWORK = train.main(["--models", "attention", *data, *short, "--out", "gallery_output"]).folder.best

# %% [markdown]
# ## Two hits and a false alarm
# The threshold is the median forecast: a network of a few epochs is not calibrated.

# %%
shown = subject.load(NETWORK, PROJECT / train.DATASET)
shown.data.evaluate(shown.model, "gallery_output/attention.csv", split="validation")
chosen = instances.choose("gallery_output/attention.csv", hits=2, false_alarms=1, threshold="median")
print(chosen.to_string(index=False))

# %%
explained = []
for row in chosen.itertuples():
    sample = subject.sample(shown, row.time)
    maps = [attention_maps(shown.model, sample.inputs, estimator=number) for number in (1, 2, 3)]
    explained.append((f"{row.kind}, p = {row.prediction:.3f}", sample, maps))
instances.draw("gallery_output/attention_maps.png", shown, explained)
figures.show("gallery_output/attention_maps.png")
