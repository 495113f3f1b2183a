"""Fetch files over a bad network: each arrives whole, checked and under its name, or not at all.

Files are fetched in parallel and with patience, see `dataset_models.download.patient_requests`. A body goes to a .part
file of its own in the target's folder; after its length and content are checked it is flushed to disk, renamed, and
entered in the manifest.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import uuid

from dataset_models.download import checks, manifest
from dataset_models.download.patient_requests import (
    Bad,
    Limits,
    Missing,
    NotFetched,
    PatientRequests,
    Refused,
    TooLarge,
    Transient,
)
from tools import atomic_files, digests, full_disks
from tools.errors import UserError

__all__ = ["Fetcher", "Limits", "NotFetched", "Summary", "Wanted", "describe", "remove_abandoned_parts", "repair"]
_PROCESS = re.compile(r"[0-9]{1,9}")
OUTCOMES = ("fetched", "already there", "missing at the source", "rejected", "not fetched")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    Attributes
    ----------
    url : str
    path : str
        Where it goes, relative to the archive's folder, with ``/``.
    kind : str
        Of `checks.KINDS`.
    expected : dict
        For its check.
    requested : str or None
        UTC time that was asked for.
    """

    url: str
    path: str
    kind: str
    expected: dict
    requested: str | None = None


@dataclasses.dataclass
class Summary:
    """Outcome of every file that was wanted.

    Attributes
    ----------
    counts : dict of str to int
        By `OUTCOMES`.
    troubles : dict of str to str
        By path: why a file is not here.
    bytes : int
        Fetched.
    left_out : dict of str to str
        By path: what of a file that is here could not be used.
    """

    counts: dict = dataclasses.field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    troubles: dict = dataclasses.field(default_factory=dict)
    bytes: int = 0
    left_out: dict = dataclasses.field(default_factory=dict)

    def add(self, path, outcome, why=None, size=0):
        self.counts[outcome] += 1
        self.bytes += size
        if why:
            self.troubles[path] = f"{outcome}: {why}"

    @property
    def exit_code(self):
        """0: everything is here; 3: all that the source has is here; 4: something was rejected, left out or not fetched."""
        if self.counts["rejected"] or self.counts["not fetched"] or self.left_out:
            return 4
        return 3 if self.counts["missing at the source"] else 0


class Fetcher(PatientRequests):
    """Fetches into folders with a manifest."""

    def fetch(self, wanted, book, *, again=False, desc="download"):
        """Fetch files into the folder of a manifest.

        Parameters
        ----------
        wanted : iterable of Wanted
            A URL that is wanted in several places is fetched once.
        book : manifest.Manifest
        again : bool
            Fetch what seems to be there as well.
        desc : str
            Beside the progress bar.

        Returns
        -------
        Summary

        Raises
        ------
        UserError
            A host cannot be reached at all, or refuses the key: nothing was fetched from it.
        OSError
            The disk is full.
        """
        from tqdm import tqdm

        wanted = list({one.path: one for one in wanted}.values())
        summary, groups = Summary(), collections.defaultdict(list)
        remove_abandoned_parts(book.folder)
        for one in wanted:
            try:
                book.place(one.path)
            except UserError as error:
                summary.add(one.path, "rejected", str(error))
                continue
            if one.kind not in checks.KINDS:
                summary.add(one.path, "rejected", f"{book.path}: its record is damaged; remove it")
            elif not again and self.is_there(one, book):
                summary.add(one.path, "already there")
            else:
                groups[one.url].append(one)
        remaining = sum(map(len, groups.values()))
        bar = tqdm(total=remaining, desc=desc, unit="file", disable=None, postfix={"MB": "0"})
        with bar, concurrent.futures.ThreadPoolExecutor(self.limits.connections) as pool:
            jobs = {pool.submit(self._fetch_group, group, book): group for group in groups.values()}
            with self.stopping(pool):
                for job in concurrent.futures.as_completed(jobs):
                    for one, outcome in zip(jobs[job], job.result(), strict=True):
                        summary.add(one.path, *outcome)
                        bar.update()
                    bar.set_postfix({"MB": f"{summary.bytes / 1e6:.1f}"}, refresh=False)
        return summary

    def is_there(self, one, book):
        """Check whether a file that is wanted is in a folder, whole; one that a killed run did not enter is entered: bool."""
        record, target = book.get(one.path), book.place(one.path)
        try:
            size = target.stat().st_size
        except OSError:
            return False
        if record is not None:
            return size == record.size
        try:  # a run that was killed between renaming a file and entering it
            observed = checks.check(one.kind, target, one.expected)
        except checks.Rejected:
            return False
        self._enter(one, target, observed, book, digest=digests.of_file(target), size=size)
        return True

    def _enter(self, one, target, observed, book, *, digest, size):
        observed = None if observed is None else f"{observed}Z"
        about = (one.path, one.url, one.requested, observed, size, digest, manifest.now(), one.kind, one.expected)
        book.add(manifest.Record(*about))

    def _fetch_group(self, group, book):
        """Fetch one URL into one or several places: list of (outcome, why, size)."""
        first, rest = group[0], group[1:]
        outcome = self._fetch_one(first, book)
        outcomes = [outcome]
        for one in rest:
            if outcome[0] != "fetched":
                outcomes.append(outcome[:2])
                continue
            target = book.place(one.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = _part(target)
            try:
                os.link(book.place(first.path), part)
                os.replace(part, target)
            except OSError:
                with atomic_files.replacing(target) as copy:
                    shutil.copyfile(book.place(first.path), copy)
            record = book.get(first.path)
            book.add(dataclasses.replace(record, path=one.path, requested=one.requested))
            outcomes.append(("fetched", None, 0))
        return outcomes

    def _fetch_one(self, one, book):
        if self.stopped:
            return "not fetched", "stopped"
        target = book.place(one.path)
        try:
            return self.with_patience(one.url, lambda: self._request_file(one, target, book))
        except Missing as error:
            return "missing at the source", str(error)
        except (Bad, TooLarge) as error:
            return "rejected", str(error)
        except (Refused, Transient) as error:
            return "not fetched", str(error)

    def _request_file(self, one, target, book):
        import hashlib

        part, kept = _part(target), False
        try:
            digest, size = hashlib.sha256(), 0
            with _opened(part) as file:
                for chunk in self.chunks(one.url, most=checks.LARGEST[one.kind]):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                file.flush()
                observed = _checked(one, part)
                os.fsync(file.fileno())
            os.replace(part, target)
            kept = True
        except OSError as error:
            if full_disks.disk_is_full(error):
                raise full_disks.full_disk(target) from error
            raise UserError(f"{target}: cannot be written ({error.strerror}); choose another --out") from error
        finally:
            if not kept:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
        self._enter(one, target, observed, book, digest=digest.hexdigest(), size=size)
        return "fetched", None, size


def _opened(part):
    """Open a new file to write, its folder made where there is none."""
    try:
        return open(part, "xb")
    except FileNotFoundError:
        part.parent.mkdir(parents=True, exist_ok=True)
        return open(part, "xb")


def _checked(one, part):
    try:
        return checks.check(one.kind, part, one.expected)
    except checks.Rejected as error:
        raise Bad(str(error)) from error


def _part(target):
    return target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")


def remove_abandoned_parts(folder):
    """Remove what killed runs on this machine left half fetched."""
    for path in pathlib.Path(folder).rglob(".*.part"):
        pieces = path.name.split(".")
        if len(pieces) >= 4 and _PROCESS.fullmatch(pieces[-3]) and not _is_running(int(pieces[-3])):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def repair(fetcher, book, findings, *, url_of=None):
    """Fetch damaged and missing files again.

    Parameters
    ----------
    fetcher : Fetcher
    book : manifest.Manifest
    findings : manifest.Findings
    url_of : callable, optional
        ``url_of(record)``: where a file is now; by default where it came from.

    Returns
    -------
    Summary
    """
    broken = {*findings.damaged, *findings.missing}
    url_of = url_of or (lambda record: record.url)
    wanted = [Wanted(url_of(r), r.path, r.kind, r.expected, r.requested) for r in book.records() if r.path in broken]
    return fetcher.fetch(wanted, book, again=True, desc="repair")


def describe(summary, folder):
    """Write a summary in lines of text: str."""
    parts = [f"{count} {name}" for name, count in summary.counts.items() if count]
    lines = [f"{', '.join(parts) or 'nothing to do'}; {summary.bytes / 1e6:.1f} MB; {folder}"]
    reasons = collections.Counter()
    examples = {}
    for path, why in summary.troubles.items():
        reasons[why] += 1
        examples.setdefault(why, path)
    for why, count in reasons.most_common(20):
        lines.append(f"  {examples[why]}{f' and {count - 1} more' if count > 1 else ''}: {why}")
    lines.extend(f"  {path}: left out: {why}; the next run asks for it again" for path, why in summary.left_out.items())
    return "\n".join(lines)
