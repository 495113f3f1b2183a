# %% [markdown]
# # What a beta-VAE finds in images of the Sun
#
# The network describes images of eight channels by a few numbers, its latents; beta presses it to use few of them. It works on
# the difference to the mean image, and the limb is left out: otherwise the strongest latent is the distance of the Earth. At
# 32 pixels the latents keep the pattern of the quiet corona, and nothing of the active regions.

# %%
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from science.latent_traversal import latent_traversal, latents
from tools import command_line, figures
from tools.paths import PROJECT

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

DATA, DATASET = None, "dataset_models/SDO/HMI/full_disk.py"  # yours: FullDiskMagnetograms(folder=..., flares=...), its file
EPOCHS, BETA = 10, 1
SMALL = False  # True: an epoch of a few images

# %%
if DATA is None:
    DATASET = "dataset_models/simulated/sun.py"
    DATA = SimulatedSun(image_size=32, days=60 if SMALL else 400)
network = {"channels": 16, "units": 64, "latent_dim": 8, "annealing_steps": 100}
learning = {"beta": BETA, "loss": "gaussian", "disk": 0.745, "epochs": 1 if SMALL else EPOCHS, "batch_size": 16}
run = train("full_disk", DATA, **network, **learning, out="gallery_output").folder

# %% [markdown]
# ## Which latents are used
# The divergence of a latent from its prior says how much it tells of an image, in nats.

# %%
subject = latents.load(run.best, PROJECT / DATASET)
encoded = latents.encode(subject)
print(latent_traversal.latent_table(encoded).to_string(index=False))

# %% [markdown]
# ## What they mean
# Each row changes one latent, of the six strongest, from -3 to 3 and leaves the others at zero; below are images and what the
# network makes of them.

# %%
latent_traversal.write(run.features, subject, encoded, count=6, samples=0, zeroed=0, extremes=0)
figures.show(run.features / "traversal.png", run.features / "reconstructions.png")
