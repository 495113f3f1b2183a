# %% [markdown]
# # Train a forecast, and look at the run
#
# A data set, the name of a network, and `train`: what it returns shows its settings, its curve, and its scores beside
# persistence. The Sun is simulated, and a year of small images is little: look at the skill before anything else.

# %%
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

DATA = None  # yours: AIA8(folder="/data/AIA"), FullDiskMagnetograms(folder="/data/HMI", flares=("/data/flares.csv",)), ...
NETWORK = "fdl1"  # or any other: network_models/trainers.py lists them
SMALL = False  # True: fewer days, one epoch

# %% [markdown]
# ## The data
# Inputs, target, and the splits, which follow time.

# %%
data = DATA or SimulatedSun(image_size=64, days=60 if SMALL else 400)
data

# %%
data.samples("validation")

# %% [markdown]
# ## The training
# Options of the network and of its training have the names of their flags. The run is a folder, as any script's.

# %%
run = train(NETWORK, data, epochs=1 if SMALL else 6, out="gallery_output")
run

# %%
figures.show(run.folder.performance / "loss_curve.png")
