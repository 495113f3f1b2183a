# %% [markdown]
# # The attention network or the standard CNN: forecasts, and their scores in the centre and near the limb
#
# `NAME` chooses the attention network or its twin without attention. It is trained for one epoch on full-disk magnetograms,
# or yours is taken; its forecasts are scored, and its recall is held against the longitude of the flares. After one epoch on
# a simulated month, skill is not to be expected.

# %%
from dataset_models import flare_catalogue
from dataset_models.simulated.practice import practice
from network_models.full_disk_flare_forecast import train
from network_models.trained_network import open_network
from science.near_limb import near_limb
from science.near_limb import pictures as maps
from science.verification import verification
from tools import command_line, figures
from tools.paths import PROJECT

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

NAME = "attention"  # or "cnn"
NETWORK = None  # yours: RUN/best_performing.hdf5
MAGNETOGRAMS, FLARES = None, None  # yours
VALIDATION_START = "2014-01-08"  # of yours: where validation begins
SMALL = False  # True: fewer days

# %%
OUT = f"gallery_output/{NAME}_forecasts"
magnetograms = MAGNETOGRAMS or practice(small=SMALL).magnetograms
flares = FLARES or practice(small=SMALL).flares

# %%
if NETWORK is None:
    data = ["--folder", magnetograms, "--flares", flares, "--validation_start", VALIDATION_START, "--image_size", "192"]
    short = ["--epochs", "1", "--batch_size", "8", "--max_lr", "0.001"]
    NETWORK = train.main(["--models", NAME, *data, *short, "--out", "gallery_output"]).folder.best

# %% [markdown]
# ## Forecasts of both splits, as a table

# %%
trained = open_network(NETWORK, PROJECT / train.DATASET)
tables = [f"{OUT}/{split}.csv" for split in ("training", "validation")]
for split, table in zip(("training", "validation"), tables, strict=True):
    count = trained.data.evaluate(trained.model, table, split=split)
    print(f"{table}: {count} forecasts")

# %% [markdown]
# ## Scores of the validation split, against climatology and persistence

# %%
verification.main([tables[1], "--flares", flares, "--samples", "50", "--out", f"{OUT}/verification"])
figures.show(f"{OUT}/verification")

# %% [markdown]
# ## Recall in the centre and beyond 70 degrees
# Instances are the hours before M and X flares; here training is among them, for there are few.

# %%
catalogue = flare_catalogue.read(flares)
instances = near_limb.read(tables, flares=catalogue.events)
results = near_limb.centre_and_limb(instances)
print("\n".join(near_limb.summary(results, instances, threshold=0.5, simulated=catalogue.simulated)))
cells = near_limb.cells(instances)
title = figures.title("M flares: recall by place", simulated=catalogue.simulated)
look = {"limb": near_limb.LIMB, "size": near_limb.CELL}
maps.disk(cells[cells["class"] == "M"], f"{OUT}/disk.png", title=title, **look)
figures.show(f"{OUT}/disk.png")
