"""One process that makes inputs and reads them: takes jobs as lines of JSON on its standard input, answers likewise.

Everything is imported once. A reader may take memory for `MEMORY` bytes more than there was before it; how long it may take
is the business of the process that asks (see run.py), which ends this one when it does not answer.
"""

import collections.abc
import contextlib
import dataclasses
import datetime
import enum
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import sys
import traceback
import warnings

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
MEMORY = 1 << 30
LONGEST = 1000  # letters of a message, beside the path
sys.path.insert(0, str(PROJECT))

import mutator  # noqa: E402
import readers  # noqa: E402

from tools import command_line  # noqa: E402
from tools.errors import Stopped, UserError  # noqa: E402


def plain(value, folder):
    """Reduce a result to what two results can be compared by: str."""
    if value is None or isinstance(value, (bool, int, float, complex, bytes)):
        return repr(value)
    if isinstance(value, (str, pathlib.PurePath, BaseException)):
        return str(value).replace(folder, "...")
    if hasattr(value, "dtype") and hasattr(value, "tobytes") and value.dtype != object:
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if hasattr(value, "to_csv"):
        return plain(value.to_csv(), folder)
    if hasattr(value, "cards"):
        return "".join(f"{card.keyword}={card.value!r};" for card in value.cards)
    if isinstance(value, enum.Enum | datetime.date | re.Pattern):
        return repr(value)
    if dataclasses.is_dataclass(value):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, folder)
    if isinstance(value, collections.abc.Mapping):
        return "{" + ",".join(f"{plain(key, folder)}:{plain(one, folder)}" for key, one in value.items()) + "}"
    if isinstance(value, collections.abc.Iterable):
        return "[" + ",".join(plain(one, folder) for one in value) + "]"
    return repr(value)


def shown(value, folder):
    """Describe a result in a few words: str."""
    if isinstance(value, tuple) and value and hasattr(value[0], "dtype"):
        value = value[0]
    if hasattr(value, "dtype") and getattr(value, "ndim", 0) and value.dtype.kind in "fiub" and value.size:
        return f"{value.dtype} {value.shape}, {value.min():.4g} to {value.max():.4g}, mean {value.mean():.4g}"
    return " ".join(plain(value, folder).split())[:160]


def _in_memory_of(kind):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) << 10
    return 0


@contextlib.contextmanager
def limited():
    """Let no more than `MEMORY` bytes of addresses be added to those of now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_in_memory_of("VmSize") + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _causes(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_memory(error):
    words = re.compile(r"Unable to allocate|std::bad_alloc|[Cc]annot allocate memory|[Oo]ut of memory|allocator ran out")
    return any(isinstance(cause, MemoryError) or words.search(str(cause)) for cause in _causes(error))


def _place_of(error):
    """Name the last place in the project that an exception passed: str."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(PROJECT) in frame.filename]
    inside = [frame for frame in frames if "software_tests" not in frame.filename and ".venv" not in frame.filename]
    frame = (inside or frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{frame.filename.replace(f'{PROJECT}/', '')}:{frame.lineno}"


def outcome(reader, path, folder):
    """Read a file and say what came of it: (kind, text, digest or None)."""
    from dataset_models.download import checks

    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = reader.read(path)
            digest = hashlib.sha256(plain(value, folder).encode("utf-8", "backslashreplace")).hexdigest()
        text = shown(value, folder)
    except AssertionError as error:
        return "wrong", f"{str(error) or 'assertion'} ({_place_of(error)})", None
    except (UserError, Stopped, checks.Rejected) as error:
        if _is_memory(error):
            return "memory", f"{str(error).replace(folder, '...')[:300]}", None
        line = " ".join(str(error).replace(folder, "...").split())
        if len(line) - len(path.name) > LONGEST:
            return "long line", f"{len(line)} letters: {line[:200]} ({_place_of(error)})", None
        return "refused", line[:300], None
    except SystemExit as error:
        return ("refused", "usage", None) if error.code == 2 else ("traceback", f"exits with {error.code}", None)
    except BaseException as error:
        kind = "memory" if _is_memory(error) else "traceback"
        return (
            kind,
            f"{type(error).__name__}: {' '.join(str(error).replace(folder, '...').split())[:200]} ({_place_of(error)})",
            None,
        )
    return "accepted", text, digest


def seed_of(reader, folder):
    """Make a reader's sound file where it is not yet: its path."""
    name = re.sub(r"\W+", "_", f"{reader.area} {reader.name}")
    place, done = folder / "seeds" / name, folder / "seeds" / f"{name}.path"
    if not done.is_file():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        path = reader.seed(place)
        done.write_text(str(path.relative_to(place)))
    return place, pathlib.Path(done.read_text())


def laid_out(reader, folder):
    """Lay a reader's sound file and what lies beside it into a folder of their own: (folder, path)."""
    source, name = seed_of(reader, folder)
    place = folder / f"input_{os.getpid()}" / "x"
    shutil.rmtree(place.parent, ignore_errors=True)
    shutil.copytree(source, place, copy_function=_linked)
    path = place / name
    content = (source / name).read_bytes()
    path.unlink()
    path.write_bytes(content)
    return place, path


def _linked(source, target):
    """Link large files, which no reader writes to, and copy small ones."""
    if os.path.getsize(source) > 100_000:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def input_of(reader, number, seed, folder):
    """Make an input: (path, its folder, in which way it was changed)."""
    generator = random.Random(f"{seed} {reader.area} {reader.name} {number}")
    place, path = laid_out(reader, folder)
    if reader.places and generator.random() < 0.07:
        path, how = mutator.displaced(path, generator)
        return path, place, how
    content, how = mutator.mutated(path.read_bytes(), reader.form, generator)
    path.unlink()
    path.write_bytes(content)
    return path, place, how


def warm(reader, folder, warmed):
    """Read a reader's sound file once in this process, within no limits: what it imports has nothing to do with a file."""
    if reader.name in warmed:
        return
    warmed.add(reader.name)
    _, path = laid_out(reader, folder)
    with warnings.catch_warnings(), contextlib.suppress(Exception, SystemExit):
        warnings.simplefilter("ignore")
        reader.read(path)


def answer(job, folder, answers, warmed):
    """Do a job: {"reader": position, "number": of the input, None for the sound file}."""
    reader = readers.READERS[job["reader"]]
    try:
        warm(reader, folder, warmed)
        if job["number"] is None:
            place, path = laid_out(reader, folder)
            how = "the sound file"
        else:
            path, place, how = input_of(reader, job["number"], job["seed"], folder)
    except Exception as error:
        _tell(answers, {"how": "making the input"})
        _tell(answers, {"kind": "traceback", "text": f"{type(error).__name__}: {error} ({_place_of(error)})", "digest": None})
        return
    marker = pathlib.Path(os.environ[mutator.MARKER])
    _tell(answers, {"how": how})
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _in_memory_of("VmRSS")
    kind, text, digest = outcome(reader, path, str(place))
    grown = _in_memory_of("VmHWM") - before
    if marker.exists():
        marker.unlink()
        kind, text = "executed", "code in the file was executed"
    elif grown > MEMORY:
        kind, text = "memory", f"{grown / 2**20:.0f} MB"
    _tell(answers, {"kind": kind, "text": text, "digest": digest, "grown": grown})


def _tell(answers, content):
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def main():
    """Answer until there are no more jobs."""
    folder = pathlib.Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if len(sys.argv) < 3:
        os.dup2(nowhere, 2)
    command_line.set_up_libraries()
    os.environ[mutator.MARKER] = str(folder / f"executed_{os.getpid()}")
    os.environ["SOLAR_CONFIG"] = str(folder / "config.yml")
    (folder / "config.yml").write_text("aia: aia\nhmi: hmi\ngoes: xrs.sqlite\nflares: flares.csv\ncache: cache\n")
    os.chdir(folder)
    warmed = set()
    for line in sys.stdin:
        answer(json.loads(line), folder, answers, warmed)


if __name__ == "__main__":
    main()
