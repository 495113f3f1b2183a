"""What every script shares: an argument parser whose errors are one line, and a main that ends cleanly."""

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import traceback

from tools import atomic_files
from tools.errors import Stopped, UserError


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see --help)\n")


def parser(description, **keywords):
    """An argument parser that reports a usage error in one line and exits with code 2.

    Parameters
    ----------
    description : str
        Shown by ``--help``; a module's docstring keeps its line breaks.
    **keywords
        Passed on to `argparse.ArgumentParser`.

    Returns
    -------
    argparse.ArgumentParser
    """
    keywords.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
    keywords.setdefault("allow_abbrev", False)
    return _Parser(description=description, **keywords)


def run(main, arguments=None):
    """Call a script's ``main`` and exit.

    A `UserError`, a full disk and an interruption end in one line on standard error; any other exception is a defect
    of ours and keeps its traceback.

    Parameters
    ----------
    main : callable
        Takes the list of arguments (or None for ``sys.argv[1:]``).
    arguments : list of str, optional
    """
    set_up_libraries()
    try:
        main(arguments)
    except UserError as error:
        _end(str(error), 2)
    except Stopped as error:
        _end(str(error), error.code)
    except BrokenPipeError:
        # Python would complain once more when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except Exception as error:
        if atomic_files.disk_is_full(error):
            _end(f"no space left on device while writing {_file_of(error)}: free some space and run again", 2)
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def set_up_libraries():
    """What every process of ours needs before TensorFlow and matplotlib are imported."""
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") > "1":
        sys.meta_path.insert(0, _QuietTensorFlow())
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow leaves its fast convolutions off on CPUs without AVX-512 VNNI, where they are 1.1 to 1.3 times as fast too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("MPLBACKEND", "Agg")


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


def _end(message, code):
    print(f"{os.path.basename(sys.argv[0])}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _file_of(error):
    while error is not None:
        if getattr(error, "filename", None):
            return error.filename
        error = error.__cause__ or error.__context__
    return "the output"
