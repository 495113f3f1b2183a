# %% [markdown]
# # Flares of DONKI, and the frames before them
#
# `dataset_models/download/donki.py` fetches NASA's list; here an answer of a simulated Sun stands for it.

# %%
import numpy

from dataset_models import flare_catalogue
from dataset_models.flares import flare_pictures
from dataset_models.pictures import samples
from dataset_models.SDO.HMI.flare_sequences import FlareSequences
from dataset_models.simulated.practice import practice
from tools import figures

DONKI, MAGNETOGRAMS = None, None  # yours: a file of DONKI, a folder of magnetograms
HOURS, LONGEST_GAP = 36.0, 7.0  # of a sequence; 10.0 and 4.0 for hourly images
SMALL = False  # True: fewer days

donki = DONKI or practice(small=SMALL).donki
magnetograms = MAGNETOGRAMS or practice(small=SMALL).magnetograms

# %%
catalogue = flare_catalogue.read(donki)
print("\n".join(flare_catalogue.summary(catalogue)))

# %% [markdown]
# ## Classes and durations

# %%
flare_pictures.classes("gallery_output/classes.png", catalogue.events, simulated=catalogue.simulated)
flare_pictures.durations("gallery_output/durations.png", catalogue.events, simulated=catalogue.simulated)
figures.show("gallery_output/classes.png", "gallery_output/durations.png")

# %% [markdown]
# ## Six frames before the strongest flare
# `left_out` names the flares whose images are missing, and why.

# %%
options = {"window_hours": HOURS, "maximum_gap_hours": LONGEST_GAP, "image_size": 128, "least_class": "M1.0"}
sequences = FlareSequences(folder=magnetograms, flares=(donki,), cache="gallery_output/cache", **options)
times = numpy.union1d(sequences.times("training"), sequences.times("validation"))
print(f"{len(times)} flares with six frames, {len(sequences.left_out)} left out")
strongest = max(times, key=lambda time: sequences.metadata(time)["flux"])
samples.draw_sample("gallery_output/frames.png", sequences, strongest)
figures.show("gallery_output/frames.png")
