# %% [markdown]
# # Flare rates that add up
#
# Every region has a rate of flares of each size; rates add up, and the chance of at least one flare is 1 - exp(-sum). So C1,
# M1, M5 and X1 agree with each other, and regions with the disk. Here the rates come from past flares alone, four years of a
# simulated Sun.

# %%
from dataset_models.NOAA.active_regions import ActiveRegions
from dataset_models.simulated.practice import flare_years
from network_models.flare_rates import forecast
from network_models.trained_network import load_network
from network_models.trainers import train
from science.verification import pictures
from science.verification.runs import verify
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

FLARES, SUMMARIES = None, ()  # yours: a flare list with regions, and NOAA's region summaries
NETWORK = "history"  # with summaries "regions": McIntosh class, area, extent, spots and their changes too
SMALL = False  # True: fewer days, one epoch

# %% [markdown]
# ## The data
# A sample for each day at 00:30, with the flares of every region up to then, faded.

# %%
data = ActiveRegions(flares=(FLARES or flare_years(small=SMALL).flares,), summaries=SUMMARIES)
data

# %%
run = train(NETWORK, data, epochs=1 if SMALL else 6, out="gallery_output")

# %% [markdown]
# ## The forecast of a day: the disk, and region by region
# `rate_` is the flares expected in the 24 hours, `probability_` the chance of one or more.

# %%
model, times = load_network(run.folder.best), data.times("validation")
expected = forecast.expected_flares([model], data, [data.inputs(time) for time in times])
last = (data, times[-1:], expected[:, -1:])
print(forecast.disk_table(*last, simulated=data.simulated).T.to_string(header=False))
regions = forecast.region_table(*last, simulated=data.simulated)
print(regions.loc[:, [name for name in regions if name == "region" or "M1.0" in name]].to_string(index=False))

# %% [markdown]
# ## What they are worth
# With intervals, beside climatology and persistence; and how often the event followed each probability.

# %%
scores = verify(run)
scores

# %%
((name, forecasts),) = scores.forecasts.items()
pictures.reliability("gallery_output/reliability.png", forecasts, title=f"{name}: {data.threshold} in the next 24 hours")
figures.show("gallery_output/reliability.png")
