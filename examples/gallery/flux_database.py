# %% [markdown]
# # A database of X-ray flux, and the flares in it
#
# GOES files are imported once into a store of 1-minute means; from it come the curve with the classes A to X and, by NOAA's
# definition, the flares. Without files of your own this takes a simulated month, of which nothing is an observation.

# %%
import glob

from dataset_models import flare_catalogue, goes_flares, goes_xrs
from dataset_models.flares import flare_finder
from dataset_models.simulated.practice import practice
from tools import figures

FILES, FLARES = None, None  # yours: "/data/goes/*.nc" (FITS, netCDF or SWPC's JSON) and a flare list
CALIBRATION = "operational"  # "science" for netCDF
SMALL = False  # True: fewer days

files = glob.glob(FILES) if FILES else practice(small=SMALL).goes
store = "gallery_output/xrs.sqlite"

# %% [markdown]
# ## Import
# A file that is there already is not read again; every minute keeps its satellite and its calibration.

# %%
outcome = goes_xrs.import_files(store, files)
print(f"{len(outcome.imported)} files imported, {len(outcome.present)} were there, {len(outcome.rejected)} rejected")
for satellite, calibration, minutes, first, last in goes_xrs.contents(store):
    print(f"GOES-{satellite}, {calibration}: {minutes:,} minutes, {first} to {last}")

# %% [markdown]
# ## The flares in it
# Four minutes of rise, to 1.4 times the flux; the end where half of the rise is gone.

# %%
series = goes_xrs.series(store, calibration=CALIBRATION)
flares = flare_finder.find_flares(series)
goes_flares.draw("gallery_output/flux.png", series, flares, simulated=goes_xrs.is_simulated(store))
figures.show("gallery_output/flux.png")
print(flares.nlargest(5, "flux").to_string(index=False))

# %% [markdown]
# ## Held against a flare list

# %%
listed = flare_catalogue.read(FLARES or practice(small=SMALL).flares).events
for least_class in ("C1.0", "M1.0"):
    print(flare_finder.agreement(flares, listed, series, least_class=least_class))
