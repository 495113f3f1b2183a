# %% [markdown]
# # Verify forecasts
#
# `verify` scores the validation forecasts of a run beside climatology and persistence, with intervals from blocks of days
# drawn together. The run here forecasts from past flares alone, four years of a simulated Sun: quick to train, and with
# some skill.

# %%
from dataset_models.NOAA.active_regions import ActiveRegions
from dataset_models.simulated.practice import flare_years
from network_models.trainers import train
from science.verification import output
from science.verification.runs import verify
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

RUN = None  # yours: the folder of a run of any network
FLARES = None  # yours: flare lists, for a class table and the flare rate of the past as further baselines
SMALL = False  # True: fewer days, one epoch

# %%
if RUN is None:
    FLARES = [flare_years(small=SMALL).flares]
    RUN = train("history", ActiveRegions(flares=FLARES), epochs=1 if SMALL else 6, out="gallery_output")

# %% [markdown]
# ## The scores
# What the run knows of itself, beside the two baselines that it wrote.

# %%
verify(RUN)

# %% [markdown]
# ## Beside baselines from the flare list
# A forecast adds skill only where the interval of the difference excludes zero.

# %%
scores = verify(RUN, flares=FLARES)
print(scores)

# %% [markdown]
# ## Reliability, curves, and the choice of a threshold

# %%
output.write("gallery_output/verification", scores, scores.settings)
names = ("comparison", "curves", "threshold_sweep")
figures.show(*(f"gallery_output/verification/{name}.png" for name in names))
