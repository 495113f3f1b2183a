"""Fetch files over a bad network: each arrives whole, checked and under its name, or not at all.

Files are fetched in parallel, under a limit of requests per second and host. A request that fails for now (no connection,
no bytes for a while, too long altogether, a server's 5xx, 429 or 408, a body cut short, a content that is not what it
should be) is tried again after a pause that doubles, with jitter, or that the server asks for by Retry-After. A body goes
to a .part file of its own in the target's folder; after its length and content are checked it is flushed to disk, renamed,
and entered in the manifest. Ranges are never asked for: servers that promise and ignore them spoil files.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import email.utils
import os
import pathlib
import random
import shutil
import threading
import time
import urllib.parse
import uuid

from dataset_models.download import checks, manifest
from tools import atomic_files
from tools.errors import UserError

_CHUNK = 1 << 18
_LARGEST_ANSWER = 64 << 20  # bytes of a listing or a JSON answer
_LOST_AFTER = 12  # files in a row that a host does not answer for: the network is gone
_AGENT = "solar-forecasting (research; python-requests)"
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


@dataclasses.dataclass(frozen=True)
class Limits:
    """How hard to try, seconds where it is a time.

    Attributes
    ----------
    connections : int
        At once.
    rate : float
        Requests per second to one host; 0: no limit.
    connect, stall, total : float
        Until a connection stands; without a byte; for one request.
    tries : int
        Per file.
    pause, longest_pause : float
        Before the second try, doubled before each further one; and the most, Retry-After included.
    """

    connections: int = 4
    rate: float = 8.0
    connect: float = 15.0
    stall: float = 60.0
    total: float = 600.0
    tries: int = 6
    pause: float = 1.0
    longest_pause: float = 120.0


@dataclasses.dataclass
class Summary:
    """What became of the files that were wanted.

    Attributes
    ----------
    counts : dict of str to int
        By `OUTCOMES`.
    troubles : dict of str to str
        By path: why a file is not here.
    bytes : int
        Fetched.
    """

    counts: dict = dataclasses.field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    troubles: dict = dataclasses.field(default_factory=dict)
    bytes: int = 0

    def add(self, path, outcome, why=None, size=0):
        self.counts[outcome] += 1
        self.bytes += size
        if why:
            self.troubles[path] = f"{outcome}: {why}"

    @property
    def exit_code(self):
        """0: everything is here; 3: all that the source has is here; 4: something was rejected or not fetched."""
        if self.counts["rejected"] or self.counts["not fetched"]:
            return 4
        return 3 if self.counts["missing at the source"] else 0


class _Missing(Exception):
    """The source says that it does not have this."""


class _Transient(Exception):
    """Not now; `after` seconds if the server says when."""

    def __init__(self, why, after=None, *, unreachable=False):
        super().__init__(why)
        self.after = after
        self.unreachable = unreachable


class _Bad(_Transient):
    """What came is not what it should be."""


class NotFetched(UserError):
    """A source gave no sound answer within the allowed tries."""


class Fetcher:
    """Fetches into folders with a manifest.

    Parameters
    ----------
    limits : Limits, optional
    secret : dict of str to str, optional
        Parameters of every request that no file and no message should show, such as a key.
    seed : int, optional
        Of the jitter.
    """

    def __init__(self, limits=None, *, secret=None, seed=None):
        self.limits = limits or Limits()
        self._secret = secret
        self._random = random.Random(seed)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._hosts = collections.defaultdict(lambda: {"free": 0.0, "answered": False, "unanswered": 0})
        self._stop = threading.Event()

    def get(self, url, accept=None):
        """The body of an answer that is no file of the archive: a listing, or JSON.

        Parameters
        ----------
        url : str
        accept : callable, optional
            ``accept(body)`` makes of the bytes what is returned, or raises `checks.Rejected`: then it is tried again.

        Returns
        -------
        bytes, or what `accept` returns; None when the source says that there is no such thing

        Raises
        ------
        NotFetched
            No sound answer within the allowed tries.
        UserError
            The host cannot be reached at all.
        """

        def request():
            body = bytearray()
            for chunk in self._chunks(url):
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise _Bad("is larger than any answer should be")
            try:
                return accept(bytes(body)) if accept else bytes(body)
            except checks.Rejected as error:
                raise _Bad(str(error)) from error

        try:
            return self._with_patience(url, request)
        except _Missing:
            return None
        except _Transient as error:
            raise NotFetched(f"{_shown(url)}: {error}; run it again later") from error

    def get_all(self, urls, accept=None, *, desc="ask"):
        """Answers to many URLs, in parallel.

        Parameters
        ----------
        urls : sequence of str
        accept : callable, optional
            As of `get`.
        desc : str
            Beside the progress bar.

        Yields
        ------
        (str, object)
            URL, and its answer, None, or the `NotFetched` that it ended with, in the order of arrival.
        """
        from tqdm import tqdm

        def one(url):
            try:
                return url, self.get(url, accept)
            except NotFetched as error:
                return url, error

        with (
            concurrent.futures.ThreadPoolExecutor(self.limits.connections) as pool,
            tqdm(total=len(urls), desc=desc, unit="request", disable=None) as bar,
        ):
            jobs = [pool.submit(one, url) for url in urls]
            with self._stopping(pool):
                for job in concurrent.futures.as_completed(jobs):
                    yield job.result()
                    bar.update()

    @contextlib.contextmanager
    def _stopping(self, pool):
        """End all requests under way when the block ends by an exception."""
        try:
            yield
        except BaseException:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()
            raise

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
            A host cannot be reached at all: nothing was fetched from it.
        OSError
            The disk is full.
        """
        from tqdm import tqdm

        wanted = list({one.path: one for one in wanted}.values())
        summary, groups = Summary(), collections.defaultdict(list)
        remove_abandoned_parts(book.folder)
        for one in wanted:
            if not again and self._is_there(one, book):
                summary.add(one.path, "already there")
            else:
                groups[one.url].append(one)
        remaining = sum(map(len, groups.values()))
        bar = tqdm(total=remaining, desc=desc, unit="file", disable=None, postfix={"MB": "0"})
        with bar, concurrent.futures.ThreadPoolExecutor(self.limits.connections) as pool:
            jobs = {pool.submit(self._fetch_group, group, book): group for group in groups.values()}
            with self._stopping(pool):
                for job in concurrent.futures.as_completed(jobs):
                    for one, outcome in zip(jobs[job], job.result(), strict=True):
                        summary.add(one.path, *outcome)
                        bar.update()
                    bar.set_postfix({"MB": f"{summary.bytes / 1e6:.1f}"}, refresh=False)
        return summary

    def _is_there(self, one, book):
        record, target = book.get(one.path), book.folder / one.path
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
        self._enter(one, target, observed, book)
        return True

    def _enter(self, one, target, observed, book, *, digest=None):
        observed = None if observed is None else f"{observed}Z"
        digest = digest or manifest.sha256(target)
        size = target.stat().st_size
        about = (one.path, one.url, one.requested, observed, size, digest, manifest.now(), one.kind, one.expected)
        book.add(manifest.Record(*about))

    def _fetch_group(self, group, book):
        """One URL into one or several places: list of (outcome, why, size)."""
        first, rest = group[0], group[1:]
        outcome = self._fetch_one(first, book)
        outcomes = [outcome]
        for one in rest:
            if outcome[0] != "fetched":
                outcomes.append(outcome[:2])
                continue
            target = book.folder / one.path
            target.parent.mkdir(parents=True, exist_ok=True)
            part = _part(target)
            try:
                os.link(book.folder / first.path, part)
                os.replace(part, target)
            except OSError:
                with atomic_files.replacing(target) as copy:
                    shutil.copyfile(book.folder / first.path, copy)
            record = book.get(first.path)
            book.add(dataclasses.replace(record, path=one.path, requested=one.requested))
            outcomes.append(("fetched", None, 0))
        return outcomes

    def _fetch_one(self, one, book):
        if self._stop.is_set():
            return "not fetched", "stopped"
        target = book.folder / one.path
        try:
            return self._with_patience(one.url, lambda: self._request_file(one, target, book))
        except _Missing as error:
            return "missing at the source", str(error)
        except _Bad as error:
            return "rejected", str(error)
        except _Transient as error:
            return "not fetched", str(error)

    def _request_file(self, one, target, book):
        import hashlib

        part = _part(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            with open(part, "xb") as file:
                for chunk in self._chunks(one.url):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                file.flush()
                observed = _checked(one, part)
                os.fsync(file.fileno())
            os.replace(part, target)
        except OSError as error:
            if atomic_files.disk_is_full(error):
                raise atomic_files.full_disk(target) from error
            raise UserError(f"{target}: cannot be written ({error.strerror}); choose another --out") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        self._enter(one, target, observed, book, digest=digest.hexdigest())
        return "fetched", None, size

    def _with_patience(self, url, request):
        """Call `request` until it succeeds, as often and with such pauses as the limits say."""
        host = urllib.parse.urlsplit(url).netloc
        pause = self.limits.pause
        for attempt in range(1, self.limits.tries + 1):
            try:
                answer = request()
            except _Transient as error:
                self._note(host, error)
                if attempt == self.limits.tries or self._stop.is_set():
                    raise
                wait = error.after
                if wait is not None and wait > self.limits.longest_pause:
                    raise type(error)(f"{error}; asks to come back in {wait:.0f} s") from error
                if wait is None:
                    with self._lock:
                        wait = min(pause * self._random.uniform(0.5, 1.5), self.limits.longest_pause)
                    pause *= 2
                self._stop.wait(wait)
            else:
                with self._lock:
                    self._hosts[host].update(answered=True, unanswered=0)
                return answer
        raise AssertionError("unreachable")

    def _note(self, host, error):
        """Give up on a host that has never answered, or not for many files in a row."""
        with self._lock:
            state = self._hosts[host]
            if not error.unreachable:
                state.update(answered=True, unanswered=0)
                return
            state["unanswered"] += 1
            lost = state["unanswered"]
            never = not state["answered"]
        if never and lost >= 2:
            raise UserError(f"{host}: cannot be reached ({error}); check the network or the archive's URL") from error
        if lost >= _LOST_AFTER * self.limits.tries:
            raise UserError(f"{host}: no longer answers ({error}); run it again to go on") from error

    def _chunks(self, url):
        """The body of a URL piece by piece, its length checked."""
        import requests
        import urllib3

        self._wait_for_turn(url)
        begun = time.monotonic()
        try:
            timeout = (self.limits.connect, self.limits.stall)
            with self._session().get(url, params=self._secret, stream=True, timeout=timeout) as response:
                self._require_success(url, response)
                expected = response.headers.get("Content-Length")
                received = 0
                while chunk := response.raw.read1(_CHUNK):
                    received += len(chunk)
                    if time.monotonic() - begun > self.limits.total:
                        raise _Transient(f"took longer than {self.limits.total:.0f} s")
                    yield chunk
                if expected is not None and expected.isdigit() and received != int(expected):
                    raise _Bad(f"was cut short: {received} of {expected} bytes")
        except requests.exceptions.ConnectionError as error:
            cause = getattr(error.args[0] if error.args else None, "reason", None)
            unreachable = isinstance(cause, (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError))
            unreachable |= isinstance(error, requests.exceptions.SSLError)
            raise _Transient(_reason(error), unreachable=unreachable) from error
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise _Transient(f"sent nothing for {self.limits.stall:g} s") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
            raise _Bad(f"was cut short ({_reason(error)})") from error

    def _require_success(self, url, response):
        status = response.status_code
        if status == 200:
            return
        if status in (404, 410):
            raise _Missing(f"{_shown(url)} answers {status}")
        after = _retry_after(response.headers.get("Retry-After"))
        if after is not None:
            with self._lock:  # the whole host asks for it, not one file
                state = self._hosts[urllib.parse.urlsplit(url).netloc]
                state["free"] = max(state["free"], time.monotonic() + min(after, self.limits.longest_pause))
        said = " ".join(response.raw.read(200, decode_content=True).decode("utf-8", "replace").split())
        error = f"answers {status}" + (f": {said}" if said.startswith("{") else "")
        if status in (408, 425, 429) or status >= 500:
            raise _Transient(error, after)
        raise _Missing(f"{_shown(url)} {error}")

    def _wait_for_turn(self, url):
        """Keep to the rate that the host may be asked at."""
        with self._lock:
            state = self._hosts[urllib.parse.urlsplit(url).netloc]
            begin = max(state["free"], time.monotonic())
            if self.limits.rate > 0:
                state["free"] = begin + 1 / self.limits.rate
            elif state["free"] <= time.monotonic():
                return
        self._stop.wait(max(0.0, begin - time.monotonic()))

    def _session(self):
        if not hasattr(self._local, "session"):
            import requests

            self._local.session = requests.Session()
            self._local.session.headers.update({"Accept-Encoding": "identity", "User-Agent": _AGENT})
            self._local.session.max_redirects = 5
        return self._local.session


def _checked(one, part):
    try:
        return checks.check(one.kind, part, one.expected)
    except checks.Rejected as error:
        raise _Bad(str(error)) from error


def _part(target):
    return target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")


def remove_abandoned_parts(folder):
    """Remove what killed runs on this machine left half fetched."""
    for path in pathlib.Path(folder).rglob(".*.part"):
        pieces = path.name.split(".")
        if len(pieces) >= 4 and pieces[-3].isdigit() and not _is_running(int(pieces[-3])):
            path.unlink(missing_ok=True)


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _retry_after(text):
    """Seconds from a Retry-After header, which is a number or a date; None when there is none that makes sense."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _reason(error):
    """The innermost cause of a connection error in a few words."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:100] or type(error).__name__


def _shown(url):
    """A URL without its query, which may hold a key."""
    return url.split("?")[0]


def repair(fetcher, book, findings):
    """Fetch damaged and missing files again: `Summary`."""
    broken = {*findings.damaged, *findings.missing}
    wanted = [Wanted(r.url, r.path, r.kind, r.expected, r.requested) for r in book.records() if r.path in broken]
    return fetcher.fetch(wanted, book, again=True, desc="repair")


def describe(summary, folder):
    """A summary in lines of text: str."""
    parts = [f"{count} {name}" for name, count in summary.counts.items() if count]
    lines = [f"{', '.join(parts) or 'nothing to do'}; {summary.bytes / 1e6:.1f} MB; {folder}"]
    reasons = collections.Counter()
    examples = {}
    for path, why in summary.troubles.items():
        short = why if len(summary.troubles) <= 20 else why.split(" answers ")[0]
        reasons[short] += 1
        examples.setdefault(short, path)
    for why, count in reasons.most_common(20):
        lines.append(f"  {examples[why]}{f' and {count - 1} more' if count > 1 else ''}: {why}")
    return "\n".join(lines)
