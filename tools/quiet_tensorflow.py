"""TensorFlow's start without the lines of its C++ parts on standard error."""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys


def install():
    """Keep what TensorFlow's C++ parts write while they start, whenever it is imported, away from a script's own messages."""
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _QuietTensorFlow) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietTensorFlow())


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Keeps what TensorFlow's C++ parts write to standard error while they start away from a script's own messages.

    No setting of TensorFlow 2.21 silences them. Set TF_CPP_MIN_LOG_LEVEL=0 to see them, for example to learn why a
    GPU is not found.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            execute = spec.loader.exec_module

            def quietly(module):
                with _standard_error_closed():
                    execute(module)
                    module.config.list_physical_devices()  # starts the GPU libraries

            spec.loader.exec_module = quietly
        return spec


@contextlib.contextmanager
def _standard_error_closed():
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
