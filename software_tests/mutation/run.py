"""Damaged, hostile and displaced files for every reader: each must end in one line, or give a result that can be stood by.

    python software_tests/mutation/run.py [--inputs 5200] [--seed 0] [--area "FITS images"] [--list accepted.csv]

prints a table by area and fails on a traceback, a hang, memory beyond the limit, a wrong result or executed code. Files that
are accepted although they were changed are listed with what was made of them and why it cannot be seen.
"""

import argparse
import collections
import contextlib
import csv
import json
import os
import pathlib
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import readers  # noqa: E402

SECONDS = 25.0  # of computing, or of waiting for something
START = 180.0  # seconds for imports and for making the sound file
KINDS = ("refused", "same", "changed", "wrong", "traceback", "hang", "memory", "long line", "executed")
FAILURES = KINDS[3:]


class Worker:
    """A process that reads inputs, made anew when it had to be ended."""

    def __init__(self, folder, shown):
        self.folder, self.shown, self.process = folder, shown, None

    def ask(self, job):
        """Do a job: dict with how, kind, text, digest and seconds."""
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, str(HERE / "worker.py"), str(self.folder), *(["shown"] if self.shown else [])]
            environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
            self.rest = b""
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        made = self._line(START)
        if made is None:
            return {"how": "making the input", "kind": "hang", "text": self._ended(), "digest": None, "seconds": START}
        began, computed, queued = time.monotonic(), self._computed(), self._queued()
        found = self._line(SECONDS if job["number"] is not None else START)
        while found is None and self.process.poll() is None:  # on a busy machine it may have had little of the time
            seconds, waited = self._computed() - computed, time.monotonic() - began
            if seconds > SECONDS or seconds + self._queued() - queued < waited / 5:
                break
            found = self._line(5.0)
        seconds = time.monotonic() - began
        if found is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that has just died is not known to be dead at once
                self.process.wait(2.0)
            code = self.process.poll()
            kind = "hang" if code is None else "traceback"
            found = {"kind": kind, "text": self._ended(), "digest": None}
        return {**made, **found, "seconds": seconds}

    def _line(self, limit):
        deadline = time.monotonic() + limit
        stream = self.process.stdout.fileno()
        while b"\n" not in self.rest:
            ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(stream, 1 << 16) if ready else b""
            if not piece:
                return None
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    def _computed(self):
        """Seconds of computing so far: float."""
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _queued(self):
        """Seconds so far in which it could have computed while others did: float."""
        try:
            return int(pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):  # a kernel that does not count them
            return 0.0

    def _ended(self):
        try:
            code = self.process.wait(0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"no answer after {SECONDS:g} s"
        return f"the process died with {code}"

    def close(self):
        """End the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


def shares(chosen, inputs):
    """Divide inputs among readers by their shares, at least one each: dict of position to int."""
    total = sum(readers.READERS[place].share for place in chosen)
    exact = {place: inputs * readers.READERS[place].share / total for place in chosen}
    counts = {place: max(1, int(number)) for place, number in exact.items()}
    for place in sorted(chosen, key=lambda place: counts[place] - exact[place]):
        counts[place] += sum(counts.values()) < inputs
    return counts


def results(counts, *, seed, workers, folder, progress, shown=False):
    """Read all inputs: list of dicts."""
    jobs, done, lock = queue.SimpleQueue(), [], threading.Lock()
    # What takes longest to begin comes first.
    slow = ("run folder", "networks", "architecture search")
    for place in sorted(counts, key=lambda place: readers.READERS[place].area not in slow):
        jobs.put(place)

    def work():
        worker = Worker(folder, shown)
        try:
            while True:
                try:
                    place = jobs.get_nowait()
                except queue.Empty:
                    return
                reader, number = readers.READERS[place], None
                sound = worker.ask({"reader": place, "number": None})
                found = []
                if sound["kind"] != "accepted":
                    found.append({**sound, "kind": "traceback", "text": f"{sound['kind']}: {sound['text']}"})
                for number in range(counts[place] if not found else 0):
                    one = worker.ask({"reader": place, "number": number, "seed": seed})
                    if one["kind"] == "accepted":
                        one["kind"] = "same" if one["digest"] == sound["digest"] else "changed"
                    found.append(one)
                with lock:
                    about = {"area": reader.area, "reader": reader.name, "place": place}
                    done.extend({**about, "number": number, **one} for number, one in enumerate(found))
                    if progress:
                        bad = sum(one["kind"] in FAILURES for one in found)
                        longest = max(one["seconds"] for one in found)
                        print(
                            f"{reader.area}, {reader.name}: {len(found)}, {bad} bad, at most {longest:.1f} s", file=sys.stderr
                        )
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(done, key=lambda one: (one["place"], one["number"]))


def table(found):
    """Count outcomes by area: list of lines."""
    areas = list(dict.fromkeys(reader.area for reader in readers.READERS))
    counts = {area: collections.Counter(one["kind"] for one in found if one["area"] == area) for area in areas}
    counts = {area: count for area, count in counts.items() if count}
    counts["all"] = sum(counts.values(), collections.Counter())
    lines = [f"{'area':22}{'inputs':>8}" + "".join(f"{kind:>10}" for kind in KINDS)]
    for area, count in counts.items():
        lines.append(f"{area:22}{count.total():8}" + "".join(f"{count[kind]:10}" for kind in KINDS))
    return lines


def accepted(found):
    """Say which changed files were accepted and why that cannot be seen: list of lines."""
    groups = collections.defaultdict(list)
    for one in found:
        if one["kind"] == "changed":
            groups[one["place"]].append(one)
    lines = []
    for place, some in groups.items():
        reader = readers.READERS[place]
        hows = collections.Counter(one["how"].split("=")[0].strip()[:40] for one in some)
        common = ", ".join(f"{how} {count}" for how, count in hows.most_common(5))
        lines.append(f"{reader.area}, {reader.name}: {len(some)} ({common}): {reader.unseen}")
        lines.append(f"    e.g. {some[0]['how']}: {some[0]['text'][:120]}")
    return lines


def main(arguments=None):
    """Read the inputs, print what came of them; exit code 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=5200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes (default: %(default)s)")
    parser.add_argument("--area", action="append", help="only readers of this area (several times)")
    parser.add_argument("--reader", action="append", help="only readers of this name (several times)")
    parser.add_argument("--quick", action="store_true", help="without the readers that take seconds")
    parser.add_argument("--number", type=int, help="only this input, and what went wrong on standard error")
    parser.add_argument("--list", metavar="CSV", help="write every input and what came of it")
    flags = parser.parse_args(arguments)
    chosen = [
        place
        for place, reader in enumerate(readers.READERS)
        if (not flags.area or reader.area in flags.area)
        and (not flags.reader or reader.name in flags.reader)
        and (reader.quick or not flags.quick)
    ]
    if not chosen:
        parser.error("no such reader")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation_") as folder:
        folder = pathlib.Path(folder)
        if flags.number is not None:
            worker = Worker(folder, True)
            for place in chosen:
                worker.ask({"reader": place, "number": None})
                print(json.dumps(worker.ask({"reader": place, "number": flags.number, "seed": flags.seed}), indent=1))
            worker.close()
            return 0
        counts = shares(chosen, flags.inputs)
        found = results(counts, seed=flags.seed, workers=flags.workers, folder=folder, progress=True)
    print("\n".join(table(found)))
    print(f"{len(found)} inputs, seed {flags.seed}, {time.monotonic() - began:.0f} s")
    print("\naccepted although changed:")
    print("\n".join(accepted(found)))
    failed = [one for one in found if one["kind"] in FAILURES]
    if failed:
        print("\nfailed:")
    for one in failed:
        print(f"{one['kind']}: {one['area']}, {one['reader']}, input {one['number']}, {one['how']}: {one['text']}")
    if flags.list:
        with open(flags.list, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            columns = ["area", "reader", "number", "how", "kind", "text", "seconds", "grown"]
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
