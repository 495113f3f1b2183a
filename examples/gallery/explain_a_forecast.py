# %% [markdown]
# # Explain a forecast
#
# `explain` takes a method, a run and an image, and gives a map with its checks: a map that a network of random weights or an
# edge detector draws as well is said to fail. The network here has seen a year of a simulated Sun.

# %%
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from science.explain import explain
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

RUN, TIME = None, None  # yours: the folder of a run, and an image file or the time of a sample
CHANNEL = "94"  # that is drawn
METHOD = "integrated gradients"  # or any other: science/README.md lists them
SMALL = False  # True: fewer days, one epoch

# %%
if RUN is None:
    sun = SimulatedSun(image_size=64, days=60 if SMALL else 400)
    RUN, TIME = train("fdl1", sun, epochs=1 if SMALL else 4, out="gallery_output"), sun.times("validation")[-1]

# %% [markdown]
# ## The map and its checks

# %%
explanation = explain(METHOD, RUN, TIME)
print("\n".join(str(explanation).splitlines()[:2]))
explanation.plot(CHANNEL)

# %%
print("\n".join(f"{check}: {'passed' if good else 'failed'}" for check, good in explanation.passport["checks"].items()))

# %% [markdown]
# ## Another method is another word

# %%
explain("occlusion", RUN, TIME).plot(CHANNEL)

# %% [markdown]
# ## As files
# Pictures and FITS with the coordinates of the image for each channel, arrays, and the passport.

# %%
files = explanation.save("gallery_output/maps")
print("\n".join(path.name for path in files))
figures.show(*(path for path in files if path.name.endswith(f"_{CHANNEL}.png")))
