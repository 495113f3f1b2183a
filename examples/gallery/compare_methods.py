# %% [markdown]
# # Methods of explanation beside each other
#
# One image, one network, and what several methods say of it. The regions of this simulated Sun are known and marked; one of
# them flares many times a day, or none does. Titles say which checks a map failed: such a map shows no network.

# %%
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from science.explain import compare
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

RUN, TIME = None, None  # yours: the folder of a run, and an image file or the time of a sample
METHODS = ("saliency", "SmoothGrad", "guided backpropagation", "Grad-CAM", "integrated gradients", "DeepLIFT", "occlusion")
SMALL = False  # True: fewer days and methods, one epoch

# %%
if RUN is None:
    sun = SimulatedSun(image_size=64, days=60 if SMALL else 400, activity="clear cut")
    RUN, TIME = train("fdl1", sun, epochs=1 if SMALL else 4, out="gallery_output"), sun.times("validation")[-1]

# %% [markdown]
# ## The maps

# %%
comparison = compare(RUN, TIME, names=METHODS[:3] if SMALL else METHODS)
comparison.save("gallery_output/comparison")
figures.show("gallery_output/comparison")

# %% [markdown]
# ## Their checks

# %%
print("\n".join(str(comparison).splitlines()[3:]))
