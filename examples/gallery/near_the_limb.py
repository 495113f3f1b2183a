# %% [markdown]
# # Recall in the centre and near the limb
#
# Towards the limb regions are foreshortened, and networks on full disks miss flares there. The hours before M and X flares
# are sorted by the place of the flare; intervals come from drawing flares, not hours. The network here is small and has seen
# few images of a simulated Sun; a yes is whatever exceeds its median forecast.

# %%
import pandas

from dataset_models import flare_catalogue
from dataset_models.simulated.practice import FEWER, YEARS, flare_years
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from science.explanation.subject import of_run
from science.near_limb import near_limb
from science.near_limb import pictures as maps
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

FORECASTS, FLARES = None, None  # yours: tables with time and probability, all of one network, and a flare list
SMALL = False  # True: fewer images, one epoch

# %%
if FORECASTS is None:
    size = {"image_size": 64, "training_size": 80 if SMALL else 320, "validation_size": 40 if SMALL else 160}
    sun = SimulatedSun(**(FEWER if SMALL else YEARS), **size, dependent_variable="flare", threshold="M1.0")
    network = of_run(train("fdl1", sun, epochs=1 if SMALL else 4, out="gallery_output")).model
    FLARES = flare_years(small=SMALL).flares  # of the same Sun
    FORECASTS = [f"gallery_output/near_limb/{split}.csv" for split in ("training", "validation")]
    for split, table in zip(("training", "validation"), FORECASTS, strict=True):
        sun.evaluate(network, table, split=split)

# %% [markdown]
# ## Recall by place
# Training is among the hours, for flares are few.

# %%
catalogue = flare_catalogue.read(FLARES)
instances = near_limb.read(FORECASTS, flares=catalogue.events)
threshold = float(pandas.concat(map(pandas.read_csv, FORECASTS))["prediction"].median())
recalls = near_limb.centre_and_limb(instances, threshold=threshold)
print("\n".join(near_limb.summary(recalls, instances, threshold=threshold, simulated=catalogue.simulated)))

# %% [markdown]
# ## The same as a picture

# %%
cells = near_limb.cells(instances, threshold=threshold, size=15)
title = figures.title("M and X flares: recall by place", simulated=catalogue.simulated)
look = {"title": title, "limb": near_limb.LIMB, "size": 15}
maps.plane(cells[cells["class"] == "M and X"], "gallery_output/near_limb/plane.png", **look)
figures.show("gallery_output/near_limb/plane.png")
