# %% [markdown]
# # Which images a network takes for alike
#
# The activations before the output layer, brought to a plane by t-SNE: neighbours are images that the network takes for
# alike. Distances between islands mean nothing, and a map of another seed looks otherwise.

# %%
from dataset_models.simulated.sun import SimulatedSun
from network_models.trainers import train
from science.embedding import tsne
from science.embedding.activations import collect, outcomes
from science.explanation.subject import of_run
from tools import command_line, figures

command_line.set_up_libraries()  # as every script does: quiet, and with the fast convolutions on CPUs

RUN = None  # yours: the folder of a run
EVENT = "C1.0"  # that counts as an event in a forecast of flux
SMALL = False  # True: fewer days, one epoch

# %%
if RUN is None:
    sun = SimulatedSun(image_size=64, days=60 if SMALL else 400)
    RUN = train("fdl1", sun, epochs=1 if SMALL else 4, out="gallery_output")

# %%
subject = of_run(RUN)
activations = collect(subject)
positions = tsne.embed(activations.vectors)
print(f"{len(positions)} images, {activations.vectors.shape[1]} numbers each: {activations.layer}")

# %% [markdown]
# ## Coloured by value, by class, by outcome and by date
# Beside the pictures lie the files of TensorBoard's projector, with the images as points.

# %%
words = f"event, and yes, from {EVENT} on"
tsne.write(
    "gallery_output/embedding",
    subject,
    activations,
    positions,
    outcome=outcomes(subject.data, activations, event=EVENT),
    yes=words,
)
names = ("embedding", "embedding_class", "embedding_outcome", "embedding_date")
figures.show(*(f"gallery_output/embedding/{name}.png" for name in names))
