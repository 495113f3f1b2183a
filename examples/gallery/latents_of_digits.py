# %% [markdown]
# # What a beta-VAE finds in handwritten digits
#
# The network describes an image by ten numbers, its latents; beta presses it to use few of them. scikit-learn's digits come
# with it and need no download.

# %%
from network_models.beta_vae import train
from science.latent_traversal import latent_traversal, latents
from tools import command_line, figures
from tools.paths import PROJECT

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

EPOCHS, BETA = 10, 4
SMALL = False  # True: an epoch of a few digits

# %%
few = ["--most", "32"] if SMALL else []
flags = ["--beta", str(BETA), "--epochs", "1" if SMALL else str(EPOCHS), "--batch_size", "64", "--lr", "0.003", *few]
run = train.main([*flags, "--out", "gallery_output"]).folder

# %% [markdown]
# ## Which latents are used
# The divergence of a latent from its prior says how much it tells of an image, in nats.

# %%
subject = latents.load(run.best, PROJECT / train.DATASET)
encoded = latents.encode(subject)
print(latent_traversal.latent_table(encoded).head().to_string(index=False))

# %% [markdown]
# ## What they mean
# Each row changes one latent, of the six strongest, from -3 to 3 and leaves the others at zero; below are digits and what the
# network makes of them.

# %%
latent_traversal.write(run.features, subject, encoded, count=6, samples=0, zeroed=0, extremes=0)
figures.show(run.features / "traversal.png", run.features / "reconstructions.png", run.features / "latents.png")
