"""Parts that every script shares: an argument parser whose errors are one line, and a main that ends cleanly."""

import argparse
import contextlib
import functools
import os
import sys
import traceback

from tools import full_disks, quiet_tensorflow
from tools.errors import Stopped, UserError, shortened


class _Formats(argparse.Action):
    """Tells `tools.figures` what to write beside PNG; nothing stays in the namespace, which holds options of runs."""

    def __call__(self, parser, namespace, values, option_string=None):
        from tools import figures

        figures.choose_formats(values)


class _Parser(argparse.ArgumentParser):
    draws = False

    def parse_known_args(self, args=None, namespace=None):
        if self.draws:
            from tools import figures

            figures.choose_formats(())  # not those of a script that ran before in this process
        return super().parse_known_args(args, namespace)

    def error(self, message):
        self.exit(2, f"{self.prog}: {shortened(' '.join(message.split()))} (see --help)\n")


def parser(description, *, draws=False, **keywords):
    """Make an argument parser that reports a usage error in one line and exits with code 2.

    Parameters
    ----------
    description : str
        Shown by ``--help``; a module's docstring keeps its line breaks.
    draws : bool
        Whether the script draws pictures: it gets ``--format``, which every `tools.figures.save` goes by.
    **keywords
        Passed on to `argparse.ArgumentParser`.

    Returns
    -------
    argparse.ArgumentParser
    """
    keywords.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
    keywords.setdefault("allow_abbrev", False)
    made = _Parser(description=description, **keywords)
    if draws:
        from tools import figures

        made.draws = True
        text = f"write pictures as {' or '.join(figures.FORMATS)} too, beside PNG"
        keywords = {"nargs": "+", "choices": figures.FORMATS, "help": text}
        made.add_argument("--format", action=_Formats, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, **keywords)
    return made


def run(main, arguments=None):
    """Call a script's ``main`` and exit.

    A `UserError`, a full disk and an interruption end in one line on standard error; any other exception is a defect
    of ours and keeps its traceback. What was printed is flushed before the end, so that a full disk behind a redirection
    counts as one and a closed pipe as an end.

    Parameters
    ----------
    main : callable
        Takes the list of arguments (or None for ``sys.argv[1:]``).
    arguments : list of str, optional
    """
    set_up_libraries()
    unwritten = []
    sys.unraisablehook = functools.partial(_note_unwritten, unwritten)
    code = _outcome(main, arguments)
    if unwritten and code == 0:
        code = _told(_full_disk(unwritten[0]), 2)
    for stream in (sys.stdout, sys.stderr):
        _empty(stream)
    sys.exit(code)


def _outcome(main, arguments):
    """Call ``main``, print how it failed if it did, and return what to exit with."""
    try:
        try:
            main(arguments)
            code = 0
        except SystemExit as error:
            code = error.code or 0
        if sys.stdout is not None:  # it is when the shell has closed it
            sys.stdout.flush()
        return code
    except UserError as error:
        return _told(str(error), 2)
    except Stopped as error:
        return _told(str(error), error.code)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return _told("interrupted", 130)
    except Exception as error:
        if full_disks.disk_is_full(error):
            return _told(_full_disk(_file_of(error)), 2)
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return 1


def _note_unwritten(unwritten, unraisable):
    """Note the name of a stream that could not be emptied on a full disk when it was thrown away; a ``sys.unraisablehook``.

    Python 3.13 reports it, with a traceback; before, it was silent.
    """
    if isinstance(unraisable.exc_value, OSError) and full_disks.disk_is_full(unraisable.exc_value):
        unwritten.append(getattr(unraisable.object, "name", "the output"))
    else:
        sys.__unraisablehook__(unraisable)


def _empty(stream):
    """Write out what a standard stream holds, or drop what cannot be: Python would complain of it once more at exit."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def set_up_libraries():
    """Prepare the environment that every process of ours needs before TensorFlow and matplotlib are imported."""
    set_up_tensorflow()
    os.environ.setdefault("MPLBACKEND", "Agg")


def set_up_tensorflow():
    """Prepare what TensorFlow needs before it is imported, as functions do that are called from a user's own program."""
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") > "1":
        quiet_tensorflow.install()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow leaves its fast convolutions off on CPUs without AVX-512 VNNI, where they are 1.1 to 1.3 times as fast too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _told(message, code):
    with contextlib.suppress(OSError):  # standard error may be on the full disk too
        print(f"{os.path.basename(sys.argv[0])}: {' '.join(message.split())}", file=sys.stderr)
    return code


def _full_disk(file):
    return f"no space left on device while writing {file}: free some space and run again"


def _file_of(error):
    while error is not None:
        if getattr(error, "filename", None):
            return error.filename
        error = error.__cause__ or error.__context__
    return "the output"
