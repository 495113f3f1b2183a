"""The mutation test tells what it is there to tell; all of its inputs are read by ``make mutation``."""

import json
import pathlib
import random
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def parts():
    """The modules mutator, readers, run and worker."""
    sys.path.insert(0, str(HERE))
    try:
        import mutator
        import readers
        import run
        import worker

        yield mutator, readers, run, worker
    finally:
        sys.path.remove(str(HERE))


def test_the_same_seed_makes_the_same_input(parts, tmp_path):
    _, readers, _, worker = parts
    reader = next(one for one in readers.READERS if one.name == "catalogue.csv")
    (tmp_path / "seeds").mkdir()
    for number in range(200):
        made = []
        for _ in range(2):
            path, _, how = worker.input_of(reader, number, 7, tmp_path)
            made.append((how, path.read_bytes() if path.is_file() and "place" not in how else how))
        assert made[0] == made[1]


@pytest.mark.parametrize("form", ["csv", "json", "yaml", "text", "npy", "idx"])
def test_a_form_changes_what_it_is_given(parts, tmp_path, form):
    mutator, _, _, _ = parts
    import numpy

    numpy.save(tmp_path / "x.npy", numpy.arange(12).reshape(3, 4))
    contents = {
        "csv": b"time,value\n2014-06-17,1\n2014-06-18,2\n",
        "json": b'{"a": [1, 2, {"b": "c"}]}',
        "yaml": b"a: 1\nb:\n  c: x\n",
        "text": b"one 1\ntwo 2\n",
        "npy": (tmp_path / "x.npy").read_bytes(),
        "idx": bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 6]),
    }
    generator = random.Random(0)
    made = [mutator.FORMS[form](contents[form], generator) for _ in range(100)]
    assert sum(content != contents[form] for content, _ in made) >= 70
    assert len({how for _, how in made}) >= (1 if form == "idx" else 3)


def raising(error):
    """A reader that fails."""

    def read(path):
        raise error

    return read


def test_outcomes_are_told_apart(parts, tmp_path):
    _, readers, _, worker = parts
    import numpy

    from tools.errors import UserError

    wrapped = UserError(f"{tmp_path}/x.fits: cannot be read")
    wrapped.__cause__ = MemoryError()
    expected = {
        "refused": raising(UserError("x.fits: is truncated")),
        "long line": raising(UserError("x " * 900)),
        "traceback": raising(ValueError("x")),
        "memory": raising(wrapped),
        "wrong": lambda path: readers.of_images(numpy.zeros((8, 8), "float32")),
        "accepted": lambda path: readers.of_images(numpy.random.default_rng(0).normal(size=(16, 16)).astype("float32")),
    }
    for kind, read in expected.items():
        reader = readers.Reader("x", "y", None, read)
        assert worker.outcome(reader, tmp_path / "x.fits", str(tmp_path))[0] == kind
    reader = readers.Reader("x", "y", None, lambda path: numpy.zeros(1 << 28))
    assert worker.outcome(reader, tmp_path / "x.fits", str(tmp_path))[0] == "memory"


@pytest.mark.parametrize(("code", "kind"), [("time.sleep(60)", "hang"), ("os.abort()", "traceback")])
@pytest.mark.long
def test_a_process_that_gives_no_answer_is_ended(parts, tmp_path, monkeypatch, code, kind):
    _, _, run, _ = parts
    monkeypatch.setattr(run, "SECONDS", 0.5)
    worker = run.Worker(tmp_path, False)
    line = json.dumps({"how": "x"})
    command = [sys.executable, "-c", f"import os, time; print({line!r}, flush=True); {code}"]
    worker.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    worker.rest = b""
    answer = worker.ask({"reader": 0, "number": 0, "seed": 0})
    assert (answer["how"], answer["kind"]) == ("x", kind)
    assert worker.process.poll() is not None
    worker.process.stdin.close()
    worker.process.stdout.close()


@pytest.mark.timeout(900)
@pytest.mark.long
def test_two_hundred_inputs_do_not_get_through():
    """A part of what ``make mutation`` reads: of the areas below, without the readers that take seconds."""
    areas = ("FITS images", "JPEG 2000", "pictures", "arrays", "X-ray flux", "flare lists", "regions")
    flags = [word for area in areas for word in ("--area", area)]
    command = [sys.executable, str(HERE / "run.py"), "--quick", "--inputs", "200", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "200 inputs" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_gets_through():
    done = subprocess.run([sys.executable, str(HERE / "run.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
