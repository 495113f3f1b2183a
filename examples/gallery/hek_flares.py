# %% [markdown]
# # Flares of HEK, joined with those of DONKI
#
# `dataset_models/download/hek.py` fetches month by month what the Heliophysics Event Knowledgebase holds; here a simulated
# Sun answers. One reader takes nine formats of lists and joins the rows about one flare.

# %%
from dataset_models import flare_catalogue
from dataset_models.flares import flare_pictures
from dataset_models.simulated.practice import practice
from tools import figures

HEK, DONKI = None, None  # yours: CSV of hek.py, JSON of donki.py
SMALL = False  # True: fewer days

hek, donki = HEK or practice(small=SMALL).hek, DONKI or practice(small=SMALL).donki

# %%
catalogue = flare_catalogue.read([hek, donki])
print("\n".join(flare_catalogue.summary(catalogue)))

# %% [markdown]
# ## How many of each class, and when

# %%
events, simulated = catalogue.events, catalogue.simulated
flare_pictures.classes("gallery_output/hek_classes.png", events, simulated=simulated)
flare_pictures.over_time("gallery_output/hek_over_time.png", events, simulated=simulated)
figures.show("gallery_output/hek_classes.png", "gallery_output/hek_over_time.png")

# %% [markdown]
# ## The strongest, with their places
# Longitude to the west and latitude to the north, Stonyhurst degrees.

# %%
print(events.nlargest(8, "flux")[["start", "peak", "goes_class", "longitude", "latitude", "source"]].to_string(index=False))
