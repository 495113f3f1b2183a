# %% [markdown]
# # Post hoc explanations of a list of instances
#
# Guided Grad-CAM, Deep SHAP and integrated gradients beside each other, for every image of a list (a CSV with times, such as
# the studies' x_class.csv; here the strongest forecasts). The network that is trained here is a small one; any other will do.
# What maps may be trusted with: science/README.md; `science/side_by_side/` checks each of them.

# %%
from dataset_models.simulated.practice import practice
from network_models.xray_flux_forecast.starting_point import network
from science import methods
from science.explanation import baselines, instances, subject
from tools import figures
from tools.paths import PROJECT

DATASET = PROJECT / "dataset_models/SDO/HMI/full_disk.py"
NETWORK = None  # yours: RUN/best_performing.hdf5
INSTANCES = None  # yours: a CSV with a column time
MAGNETOGRAMS, FLARES = None, None  # yours
METHODS = ("Guided Grad-CAM", "Deep SHAP", "integrated gradients")
SMALL = False  # True: fewer days, one epoch, two instances

# %%
if NETWORK is None:
    archive = practice(small=SMALL)
    data = ["--folder", MAGNETOGRAMS or archive.magnetograms, "--flares", FLARES or archive.flares, "--image_size", "128"]
    short = ["--validation_start", "2014-01-08", "--epochs", "1" if SMALL else "4", "--batch_size", "8"]
    NETWORK = network.main(["--dataset", str(DATASET), *data, *short, "--out", "gallery_output"]).folder.best

# %%
shown = subject.load(NETWORK, DATASET)
if INSTANCES is None:
    INSTANCES = "gallery_output/instances.csv"
    shown.data.evaluate(shown.model, INSTANCES, split="validation")
chosen = instances.choose(INSTANCES, hits=1 if SMALL else 2, false_alarms=1, threshold="median")
print(chosen.to_string(index=False))

# %%
explained = []
for row in chosen.itertuples():
    sample = subject.sample(shown, row.time)
    start, background = baselines.choose("quiet", shown, sample), baselines.background(shown, sample, 4)
    given = {"baseline": start, "background": background}
    maps = [methods.explain(name, shown.model, sample.inputs, **given) for name in METHODS]
    explained.append((f"{row.kind}, p = {row.prediction:.3f}", sample, maps))
instances.draw("gallery_output/explanations.png", shown, explained)
figures.show("gallery_output/explanations.png")
