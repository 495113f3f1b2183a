# %% [markdown]
# # Forecasts as they would have been issued
#
# A configuration says what is forecast from what; a replay issues past forecasts with what was known then and adds them to a
# log that shows when a line was changed. When their windows have closed they are scored. Here the flare history forecasts
# alone, of a simulated Sun: a network of images and one of regions are further entries of the same file.

# %%
import pathlib

import numpy

from dataset_models import flare_catalogue
from dataset_models.simulated.practice import flare_years
from science.operational_forecast import chain, configuration, forecast, page, verify
from science.operational_forecast.issue import Forecaster
from tools import figures

FORECAST = None  # yours: forecast.py FORECAST.yml --init writes a first one
START, END = "2011-04-01", "2011-07-01"  # of the replay; of yours what its archives cover
SMALL = False  # True: fewer days

# %%
folder = pathlib.Path("gallery_output/replay").absolute()
if FORECAST is None:
    FORECAST, flares = folder / "FORECAST.yml", flare_years(small=SMALL).flares
    FORECAST.unlink(missing_ok=True)
    (folder / "forecasts.jsonl").unlink(missing_ok=True)
    configuration.write_first(FORECAST, folder="none", flares=flares, simulated=True)
own = configuration.read(FORECAST)

# %% [markdown]
# ## The replay
# What is there already is not issued again.

# %%
times = numpy.arange(numpy.datetime64(START, "s"), numpy.datetime64(END, "s"), numpy.timedelta64(24, "h"))
times = times[60:76] if SMALL else times
records, there, refused = forecast.replay(Forecaster(own), times, mapped=False)
print(f"{len(records)} forecasts, {there} were there, {len(refused)} times without any")
print(forecast.describe(records[-1]))

# %% [markdown]
# ## The log, as it was written
# A byte that was changed, and a line that was removed, added or moved, would be named.

# %%
verified = chain.verify(own.log)
print(f"{verified.count} lines as they were written")

# %% [markdown]
# ## Scored when their time has come
# Beside the baselines that the flare list allows; on yours add `--others` for SWPC's.

# %%
lists = list(map(str, own.settings.flares))
verify.main([str(own.log), "--flares", *lists, "--events", "C1.0", "M1.0", "--samples", "200", "--out", str(folder / "scores")])
figures.show(folder / "scores")

# %% [markdown]
# ## The page
# What came, skill and passport; static, to be put on any server.

# %%
print(page.write(folder / "page", own.log, catalogue=flare_catalogue.read(lists), scores=folder / "scores"))
