# %% [markdown]
# # Cut-outs before flares
#
# The region that will flare, cut out of the full-disk magnetograms of the day before: each image is cut where the flare's
# place then was, which rotates with the Sun.

# %%
from dataset_models import flare_catalogue
from dataset_models.pictures import cut_outs
from dataset_models.simulated.practice import practice
from tools import figures

MAGNETOGRAMS, FLARES = None, None  # yours
HOURS, WIDTH = 36, 64  # before the peak; pixels of 256
SMALL = False  # True: fewer days

magnetograms = MAGNETOGRAMS or practice(small=SMALL).magnetograms
catalogue = flare_catalogue.read(FLARES or practice(small=SMALL).flares)

# %%
strongest = cut_outs.strongest(catalogue.events, count=3)
print(strongest[["start", "goes_class", "longitude", "latitude"]].to_string(index=False))

# %%
for number, flare in enumerate(strongest.itertuples()):
    found = cut_outs.before(flare, magnetograms, hours=HOURS, width=WIDTH, size=256)
    picture = f"gallery_output/cut_outs_{number}.png"
    cut_outs.draw(picture, found, flare, simulated=catalogue.simulated)
    figures.show(picture)
