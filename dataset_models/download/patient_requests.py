"""Requests over a bad network: never faster than a host allows, and tried again with patience.

A request that fails for now (no connection, no bytes for a while, too long altogether, a server's 5xx, 429 or 408, a body
cut short, a content that is not what it should be) is tried again after a pause that doubles, with jitter, or that the
server asks for by Retry-After. Only 404 and 410 say that the source does not have something; any other refusal (400, 403,
451, ...) is a failure that trying again does not mend. Ranges are never asked for: servers that promise and ignore them
spoil files.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import email.utils
import random
import threading
import time
import urllib.parse

from dataset_models.download import checks
from tools.errors import UserError

_CHUNK = 1 << 18
_LARGEST_ANSWER = 64 << 20  # bytes of a listing or a JSON answer
_LOST_AFTER = 12  # files in a row that a host does not answer for: the network is gone
_AGENT = "solar-forecasting (research; python-requests)"


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


class Missing(Exception):
    """The source says that it does not have this."""


class Refused(Exception):
    """The source answers but does not give this, which says nothing about whether it has it; trying again does not help."""


class Transient(Exception):
    """Not now; `after` seconds if the server says when."""

    def __init__(self, why, after=None, *, unreachable=False):
        super().__init__(why)
        self.after = after
        self.unreachable = unreachable


class Bad(Transient):
    """An answer is not what it should be."""


class NotFetched(UserError):
    """A source gave no sound answer within the allowed tries."""


class PatientRequests:
    """Asks hosts, in parallel, within limits.

    Parameters
    ----------
    limits : Limits, optional
    secret : dict of str to str, optional
        Parameters of every request that no file and no message should show, such as a key.
    key_setting : str, optional
        Where the user sets that key, named when a host refuses it.
    seed : int, optional
        Of the jitter.
    """

    def __init__(self, limits=None, *, secret=None, key_setting=None, seed=None):
        self.limits = limits or Limits()
        self._secret = secret
        self._key_setting = key_setting
        self._random = random.Random(seed)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._hosts = collections.defaultdict(lambda: {"free": 0.0, "answered": False, "unanswered": 0})
        self._stop = threading.Event()

    @property
    def stopped(self):
        """Whether everything is being ended."""
        return self._stop.is_set()

    def get(self, url, accept=None):
        """Fetch the body of an answer that is no file of the archive: a listing, or JSON.

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
            The host cannot be reached at all, or refuses the key.
        """

        def request():
            body = bytearray()
            for chunk in self.chunks(url):
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise Bad("is larger than any answer should be")
            try:
                return accept(bytes(body)) if accept else bytes(body)
            except checks.Rejected as error:
                raise Bad(str(error)) from error

        try:
            return self.with_patience(url, request)
        except Missing:
            return None
        except Refused as error:
            raise NotFetched(f"{shown(url)}: {error}") from error
        except Transient as error:
            raise NotFetched(f"{shown(url)}: {error}; run it again later") from error

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
            with self.stopping(pool):
                for job in concurrent.futures.as_completed(jobs):
                    yield job.result()
                    bar.update()

    @contextlib.contextmanager
    def stopping(self, pool):
        """End all requests under way when the block ends by an exception."""
        try:
            yield
        except BaseException:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()
            raise

    def with_patience(self, url, request):
        """Call `request` until it succeeds, as often and with such pauses as the limits say."""
        host = urllib.parse.urlsplit(url).netloc
        pause = self.limits.pause
        for attempt in range(1, self.limits.tries + 1):
            try:
                answer = request()
            except Transient as error:
                self._note(host, error)
                if attempt == self.limits.tries or self.stopped:
                    raise
                wait = error.after
                if wait is not None and wait > self.limits.longest_pause:
                    raise type(error)(f"{error}; asks to come back in {wait:.0f} s") from error
                if wait is None:
                    with self._lock:
                        wait = min(pause * self._random.uniform(0.5, 1.5), self.limits.longest_pause)
                    pause *= 2
                self._stop.wait(wait)
            except (Missing, Refused):
                self._note_answer(host)
                raise
            else:
                self._note_answer(host)
                return answer
        raise AssertionError("unreachable")

    def _note_answer(self, host):
        with self._lock:
            self._hosts[host].update(answered=True, unanswered=0)

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

    def chunks(self, url):
        """Fetch the body of a URL piece by piece, its length checked."""
        import requests
        import urllib3

        self._wait_for_turn(url)
        begun = time.monotonic()
        try:
            timeout = (self.limits.connect, self.limits.stall)
            with self._get(url, self._secret, timeout) as response:
                self._require_success(url, response)
                expected = response.headers.get("Content-Length")
                received = 0
                while chunk := response.raw.read1(_CHUNK):
                    received += len(chunk)
                    if time.monotonic() - begun > self.limits.total:
                        raise Transient(f"took longer than {self.limits.total:.0f} s")
                    yield chunk
                if expected is not None and expected.isdigit() and received != int(expected):
                    raise Bad(f"was cut short: {received} of {expected} bytes")
        except requests.exceptions.ConnectionError as error:
            cause = getattr(error.args[0] if error.args else None, "reason", None)
            unreachable = isinstance(cause, (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError))
            unreachable |= isinstance(error, requests.exceptions.SSLError)
            raise Transient(_reason(error), unreachable=unreachable) from error
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise Transient(f"sent nothing for {self.limits.stall:g} s") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
            raise Bad(f"was cut short ({_reason(error)})") from error

    def _require_success(self, url, response):
        status = response.status_code
        if status == 200:
            return
        if status in (404, 410):
            raise Missing(f"answers {status}")
        after = _retry_after(response.headers.get("Retry-After"))
        if after is not None:
            with self._lock:  # the whole host asks for it, not one file
                state = self._hosts[urllib.parse.urlsplit(url).netloc]
                state["free"] = max(state["free"], time.monotonic() + min(after, self.limits.longest_pause))
        said = " ".join(response.raw.read(200, decode_content=True).decode("utf-8", "replace").split())
        error = f"answers {status}" + (f": {said}" if said.startswith("{") else "")
        if status in (408, 425, 429) or status >= 500:
            raise Transient(error, after)
        if status in (401, 403) and self._key_setting:
            raise UserError(f"{shown(url)}: refuses the key ({error}); set {self._key_setting} to a valid one")
        raise Refused(error + ("; access is refused" if status in (401, 403) else ""))

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

    def _get(self, url, params, timeout):
        """Open a streamed answer, by this thread's session."""
        import requests

        local = self._local
        if not hasattr(local, "session"):
            local.session, local.hosts = requests.Session(), {}
            local.session.headers.update({"Accept-Encoding": "identity", "User-Agent": _AGENT})
            local.session.max_redirects = 5
            local.session.trust_env = False
        host = urllib.parse.urlsplit(url).netloc
        if host not in local.hosts:
            # Headers, and proxies, certificates and passwords of the environment, once: requests would work them out again
            # at every request.
            settings = requests.Session().merge_environment_settings(url, {}, True, None, None)
            first = requests.Request("GET", url, auth=requests.utils.get_netrc_auth(url))
            local.hosts[host] = local.session.prepare_request(first), settings
        known, settings = local.hosts[host]
        request = known.copy()
        request.prepare_url(url, params)
        return local.session.send(request, **settings, timeout=timeout)


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
    """Return the innermost cause of a connection error in a few words."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:100] or type(error).__name__


def shown(url):
    """Write a URL without its query, which may hold a key."""
    return url.split("?")[0]
