"""Reading in a process apart: what never returns, dies or fails there costs that file alone."""

import runpy
import threading
import time

import pytest

from tools.errors import UserError
from tools.reading import apart


def run(folder, code):
    """Run code in the process apart: a file of it is what the function reads."""
    path = folder / "x.py"
    path.write_text(code)
    return apart.call(runpy.run_path, path, library="Python")


@pytest.mark.long
def test_what_does_not_return_or_dies_costs_that_file_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "SECONDS", 2.5)
    with pytest.raises(apart.Failed, match=r"^ZeroDivisionError: division by zero"):
        run(tmp_path, "1 / 0")
    with pytest.raises(UserError, match=r"x\.py: is damaged: Python dies of it; make or fetch it again"):
        run(tmp_path, "import os; os.abort()")
    with pytest.raises(UserError, match=r"^x is in error"):
        run(tmp_path, "from tools.errors import UserError\nraise UserError('x is in error')")
    began = time.monotonic()
    with pytest.raises(UserError, match=r"x\.py: is damaged: Python does not come to an end with it in 3 s"):
        run(tmp_path, "while True: pass")
    assert time.monotonic() - began < 20
    with pytest.raises(apart.Failed, match="not JSON serializable"):  # reads again, and answers only what is plain
        run(tmp_path, "print('in the way of answers'); x = 1")


def test_threads_take_turns(tmp_path):
    found = {}

    def ask(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            run(folder, f"raise KeyError({number})")
        except apart.Failed as error:
            found[number] = str(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"KeyError: {number}" for number in range(8)}
