"""Files for TensorBoard's projector: vectors, metadata, thumbnails, and the file that names them."""

import math

import numpy

from tools import atomic_files, figures
from tools.reading import raw_files

CONFIG = "projector_config.pbtxt"
_LARGEST_CONFIG = 1 << 20  # bytes
LARGEST_SPRITE = 8192  # pixels: the largest texture that browsers take


class Painter:
    """Painter of small coloured pictures of one channel, all on the brightness scale of the first batch.

    Parameters
    ----------
    channel : dataset_models.solar_data.Channel
    index : int
        Of the channel in the image.
    size : int
        Pixels of a thumbnail.
    """

    def __init__(self, channel, index, *, size):
        self.channel = channel
        self.index = index
        self.size = size
        self._look = None

    def __call__(self, images):
        """Paint images: (n, height, width, channel) -> uint8 (n, size, size, 3)."""
        from PIL import Image

        images = images[..., self.index]
        if self._look is None:
            self._look = figures.image_look(images, self.channel.colour_table, logarithmic=self.channel.logarithmic)
        table, norm = self._look
        painted = (table(norm(images.ravel()).reshape(images.shape))[..., :3] * 255).round().astype("uint8")
        square = (self.size, self.size)
        return numpy.stack([numpy.asarray(Image.fromarray(p).resize(square, Image.Resampling.BOX)) for p in painted])


def thumbnail_size(count):
    """Choose the pixels of each of `count` thumbnails, so that they fit into one sprite: int, at most 64.

    Examples
    --------
    >>> thumbnail_size(100), thumbnail_size(50_000)
    (64, 36)
    """
    return max(1, min(64, LARGEST_SPRITE // math.ceil(math.sqrt(count))))


def framed(thumbnails, colours):
    """Draw a frame around each thumbnail, since the projector opens with no colours but theirs.

    Parameters
    ----------
    thumbnails : numpy.ndarray
        uint8 (n, size, size, 3).
    colours : numpy.ndarray
        (n, 3), 0 to 1.

    Returns
    -------
    numpy.ndarray
        uint8 (n, size, size, 3), another array.
    """
    width = max(1, thumbnails.shape[1] // 16)
    painted = numpy.empty_like(thumbnails)
    painted[:] = (numpy.asarray(colours) * 255).round().astype("uint8")[:, None, None]
    painted[:, width:-width, width:-width] = thumbnails[:, width:-width, width:-width]
    return painted


def write(folder, embeddings, labels, thumbnails, *, simulated=False):
    """Write all files of the projector into an existing folder.

    Parameters
    ----------
    folder : pathlib.Path
    embeddings : dict of str to numpy.ndarray
        (n, dimensions) by the name that the projector shows, with its number before it: it sorts them, and opens on the first.
    labels : dict of str to list
        Columns of the metadata, n entries each; more than one column.
    thumbnails : numpy.ndarray
        uint8 (n, size, size, 3), row 0 of each at the top.
    simulated : bool
        Marks their picture; the labels have a mark of their own.
    """
    from PIL import Image, PngImagePlugin

    vector_files = {}
    for number, (name, vectors) in enumerate(embeddings.items(), start=1):
        file = f"{name.split(' ')[0].lower().replace('-', '')}.tsv"
        flat = max(
            3 - vectors.shape[1], 0
        )  # the projector opens on three principal components, and draws nothing where one lacks
        vectors = numpy.pad(vectors, ((0, 0), (0, flat)))
        numpy.savetxt(folder / file, vectors, fmt="%.7g", delimiter="\t")
        vector_files[f"{number} {name}"] = file
    lines = ["\t".join(labels), *("\t".join(map(_cell, row)) for row in zip(*labels.values(), strict=True))]
    (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    remark = PngImagePlugin.PngInfo()
    if simulated:
        remark.add_text("Comment", figures.SIMULATED)
    Image.fromarray(sprite(thumbnails)).save(folder / "sprite.png", pnginfo=remark)
    (folder / CONFIG).write_text(_config(vector_files, thumbnails.shape[1]), encoding="utf-8")


def sprite(thumbnails):
    """Lay thumbnails side by side, row by row, in the least square: uint8 (height, width, 3)."""
    count, size = len(thumbnails), thumbnails.shape[1]
    columns = math.ceil(math.sqrt(count))
    square = numpy.zeros((columns**2, size, size, 3), "uint8")
    square[:count] = thumbnails
    return square.reshape(columns, columns, size, size, 3).swapaxes(1, 2).reshape(columns * size, columns * size, 3)


def link(folder, name):
    """Let TensorBoard find the projector files of the sub-folder `name` when it is started on `folder`.

    Only the log folder itself and its event folders are searched, and a configuration may name files in its own folder
    and below it: so the run folder gets one of its own.
    """
    text = raw_files.read_text(folder / name / CONFIG, most=_LARGEST_CONFIG, advice="draw the embedding anew")
    atomic_files.write_text(folder / CONFIG, text.replace('_path: "', f'_path: "{name}/'))


def _config(vector_files, size):
    entries = [
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{file}"\n  metadata_path: "metadata.tsv"\n'
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: {size}\n    single_image_dim: {size}\n  }}\n}}\n'
        for name, file in vector_files.items()
    ]
    return "".join(entries)


def _cell(value):
    if isinstance(value, (float, numpy.floating)):
        return f"{value:.4g}"
    return " ".join(str(value).split())
