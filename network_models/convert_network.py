"""A saved network in the other format: .hdf5, which runs write, as .keras, or back.

    python network_models/convert_network.py RUN/best_performing.hdf5
    python network_models/convert_network.py NETWORK OUT.keras

Every script that takes a network takes either. Without OUT it lies beside the other, in the run folder, where settings, data
options and calibration are found as they are for .hdf5: they are in the run's settings.yml and calibration.json, in neither
format. The file is read again before it gets its name: layers and every weight are the same, or nothing is written.
"""

import json
import pathlib

import numpy

from network_models.run_folder import run_folder_of
from network_models.trained_network import SUFFIXES, load_network, save_network
from tools import atomic_files, command_line, notes
from tools.errors import UserError


def convert(source, out):
    """Save a network in the format that the name of `out` says.

    Parameters
    ----------
    source, out : str or pathlib.Path
        ``.hdf5``, ``.h5`` or ``.keras``.

    Returns
    -------
    keras.Model
        As it was read from the new file.

    Raises
    ------
    UserError
        `source` is no network that is loaded (`network_models.trained_network.load_network`), `out` is of no format or is
        `source`, or what was written is not the same network. `out` is then as it was.
    """
    source, out = pathlib.Path(source), pathlib.Path(out)
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out}: a network's name ends in {', '.join(SUFFIXES)}; give another")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"{out}: is the network to convert; give another name")
    model = load_network(source)
    with atomic_files.replacing(out) as temporary:
        save_network(model, temporary)
        try:
            made = load_network(temporary)
        except UserError as error:
            reason = str(error).removeprefix(f"{temporary}: ")
            raise UserError(f"{source}: is not read again as {out.suffix} ({reason}); keep it as it is") from error
        difference = _difference(model, made)
        if difference:
            raise UserError(f"{source}: is another network as {out.suffix} ({difference}); keep it as it is")
    return made


def _difference(one, other):
    """Say in what two networks differ: str, empty where layers and weights are the same."""
    if _layers(one) != _layers(other):
        return "of other layers"
    if [weight.shape for weight in one.weights] != [weight.shape for weight in other.weights]:
        return "of other weights"
    for first, second in zip(one.weights, other.weights, strict=True):
        values = (numpy.asarray(weight.value) for weight in (first, second))
        if first.dtype != second.dtype or not numpy.array_equal(*values):
            return f"the weight {first.path} is another"
    return ""


def _layers(model):
    """Describe the layers of a network as JSON: str."""
    import keras

    return json.dumps(keras.saving.serialize_keras_object(model), sort_keys=True, default=str)


def main(arguments=None):
    """Convert one network."""
    parser = command_line.parser(__doc__)
    parser.add_argument("network", metavar="NETWORK", type=pathlib.Path, help="a saved network, .hdf5 or .keras")
    text = "the network to write (default: beside NETWORK, .keras of .hdf5 and .hdf5 of .keras)"
    parser.add_argument("out", metavar="OUT", type=pathlib.Path, nargs="?", help=text)
    flags = parser.parse_args(arguments)
    out = flags.out or flags.network.with_suffix(".hdf5" if flags.network.suffix == ".keras" else ".keras")
    model = convert(flags.network, out)
    print(f"{out}: {model.name}, {model.count_params():,} parameters, the same as in {flags.network}")
    run = run_folder_of(flags.network)
    if run is not None and run_folder_of(out) is None:
        notes.note(
            f"{out}: lies outside of {run}, whose settings.yml is not found from there; scripts then take default options"
        )


if __name__ == "__main__":
    command_line.run(main)
