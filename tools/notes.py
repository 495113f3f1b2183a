"""Remarks on standard error, each printed once."""

import os
import sys
import threading

_SAID = set()
_LOCK = threading.Lock()
_SHOWN = 3


def note(text, *, about=None):
    """Print a remark that users should read and that stops nothing.

    Parameters
    ----------
    text : str
    about : hashable, optional
        A subject is remarked upon once in this process; by default it is the text itself.
    """
    subject = text if about is None else about
    with _LOCK:
        if subject in _SAID:
            return
        _SAID.add(subject)
    print(f"{os.path.basename(sys.argv[0])}: note: {' '.join(text.split())}", file=sys.stderr)


def forget():
    """Print every remark once more, as in a new process."""
    with _LOCK:
        _SAID.clear()


def note_unknown_names(folder, paths, *, expected):
    """Count files whose names fit no pattern, and name three of them.

    Parameters
    ----------
    folder : str or pathlib.Path
    paths : sequence of pathlib.Path
        Nothing is printed when there are none.
    expected : str
        A name that would fit.
    """
    if not paths:
        return
    few = ", ".join(path.name for path in paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
    left_out = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
    text = f"{folder}: {left_out} left out, of names that fit no pattern ({few}); expected names like {expected}"
    note(text, about=("names", str(folder)))
