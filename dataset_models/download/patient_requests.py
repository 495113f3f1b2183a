"""Requests over a bad network: never faster than a host allows, and tried again with patience.

A request that fails for now (no connection, no bytes for a while, too long altogether, a server's 5xx, 429 or 408, a body
cut short, a content that is not what it should be) is tried again after a pause that doubles, with jitter, or that the
server asks for by Retry-After. Only 404 and 410 mean that the source does not have something; any other refusal (400, 403,
451, ...) is a failure that trying again does not mend, and so is a body above the limit of its kind. Ranges are never asked
for: servers that promise and ignore them spoil files.

Lines of headers and between chunks have at most 64 KiB, and headers at most 100 lines, by Python's http.client; `Limits.total`
ends a request that never comes to its end there.
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
_REDIRECTS = 5
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
    """The source answers that it does not have this."""


class Refused(Exception):
    """The source answers but does not give this; whether it has it stays unknown, and trying again does not help."""


class TooLarge(Refused):
    """A body has more bytes than any of its kind."""


class Transient(Exception):
    """Not now; `after` seconds if the server asks for that, `host` where it is another one than was asked."""

    def __init__(self, why, after=None, *, unreachable=False, host=None):
        super().__init__(why)
        self.after = after
        self.unreachable = unreachable
        self.host = host


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
            body = b"".join(self.chunks(url, most=_LARGEST_ANSWER))
            try:
                return accept(body) if accept else body
            except checks.Rejected as error:
                raise Bad(str(error)) from error
            except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
                raise Bad(f"answers what cannot be understood ({type(error).__name__})") from error

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
        host = _host(url)
        pause = self.limits.pause
        for attempt in range(1, self.limits.tries + 1):
            try:
                answer = request()
            except Transient as error:
                self._note(error.host or host, error)
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

    def chunks(self, url, *, most):
        """Fetch the body of a URL piece by piece, its length checked.

        Parameters
        ----------
        url : str
        most : int
            Bytes that the body may have.

        Yields
        ------
        bytes

        Raises
        ------
        Missing, Refused, Transient
            `TooLarge` before the first byte where the server states the length.
        """
        import requests
        import urllib3

        from dataset_models.download import deadlines

        place = url
        with deadlines.Deadline(self.limits.total) as deadline:
            try:
                for hop in range(_REDIRECTS + 1):
                    self._wait_for_turn(place)
                    with self._get(place, self._secret if hop == 0 else None) as response:
                        target = _redirected(place, response)
                        if target is None:
                            yield from self._body(place, response, most)
                            if deadline.over:
                                raise Bad("was cut short")
                            return
                    place = target
                raise Bad(f"redirects more than {_REDIRECTS} times")
            except (Transient, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if isinstance(error, Transient) and not deadline.over:
                    raise
                elsewhere = _host(place) if _host(place) != _host(url) else None
                raise self._transient(error, late=deadline.over, elsewhere=elsewhere) from error
            except ValueError as error:  # requests and http.client let through some that a server's headers provoke
                raise Bad(f"answers what is no HTTP ({_reason(error)})") from error

    def _transient(self, error, *, late, elsewhere):
        """Tell what an exception of the network means: `Transient`, with the host where a redirect led to another one."""
        import requests
        import urllib3

        where = f"redirected to {elsewhere}: " if elsewhere else ""
        if late:
            return Transient(f"{where}took longer than {self.limits.total:g} s", host=elsewhere)
        if isinstance(error, requests.exceptions.ConnectionError):
            cause = getattr(error.args[0] if error.args else None, "reason", None)
            unreachable = isinstance(cause, (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError))
            unreachable |= isinstance(error, requests.exceptions.SSLError)
            return Transient(where + _reason(error), unreachable=unreachable, host=elsewhere)
        if isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)):
            return Transient(f"{where}sent nothing for {self.limits.stall:g} s", host=elsewhere)
        return Bad(f"{where}was cut short ({_reason(error)})", host=elsewhere)

    def _body(self, url, response, most):
        self._require_success(url, response)
        expected = _number(response.headers.get("Content-Length"))
        if expected is not None and expected > most:
            raise TooLarge(f"has {expected} bytes, more than the {most} that a file of its kind may have")
        received = 0
        while chunk := response.raw.read1(_CHUNK):
            received += len(chunk)
            if received > most:
                raise TooLarge(f"has more than the {most} bytes that a file of its kind may have")
            yield chunk
        if expected is not None and received != expected:
            raise Bad(f"was cut short: {received} of {expected} bytes")

    def _require_success(self, url, response):
        status = response.status_code
        if status == 200:
            return
        if status in (404, 410):
            raise Missing(f"answers {status}")
        after = _retry_after(response.headers.get("Retry-After"))
        if after is not None:
            with self._lock:  # the whole host asks for it, not one file
                state = self._hosts[_host(url)]
                state["free"] = max(state["free"], time.monotonic() + min(after, self.limits.longest_pause))
        text = " ".join(response.raw.read(200, decode_content=False).decode("utf-8", "replace").split())
        error = f"answers {status}" + (f": {text}" if text.startswith("{") else "")
        if status in (408, 425, 429) or status >= 500:
            raise Transient(error, after)
        if status in (401, 403) and self._key_setting:
            raise UserError(f"{shown(url)}: refuses the key ({error}); set {self._key_setting} to a valid one")
        raise Refused(error + ("; access is refused" if status in (401, 403) else ""))

    def _wait_for_turn(self, url):
        """Keep to the rate that the host may be asked at."""
        with self._lock:
            state = self._hosts[_host(url)]
            begin = max(state["free"], time.monotonic())
            if self.limits.rate > 0:
                state["free"] = begin + 1 / self.limits.rate
            elif state["free"] <= time.monotonic():
                return
        self._stop.wait(max(0.0, begin - time.monotonic()))

    def _get(self, url, params):
        """Open a streamed answer, by this thread's session."""
        import requests

        from dataset_models.download import deadlines

        local = self._local
        if not hasattr(local, "session"):
            local.session, local.hosts = requests.Session(), {}
            local.session.headers.update({"Accept-Encoding": "identity", "User-Agent": _AGENT})
            local.session.trust_env = False
            for scheme in ("http://", "https://"):
                local.session.mount(scheme, deadlines.Adapter())
        host = _host(url)
        if host not in local.hosts:
            # Headers, and proxies, certificates and passwords of the environment, once: requests would work them out again
            # at every request.
            settings = requests.Session().merge_environment_settings(url, {}, True, None, None)
            first = requests.Request("GET", url, auth=requests.utils.get_netrc_auth(url))
            local.hosts[host] = local.session.prepare_request(first), settings
        prepared, settings = local.hosts[host]
        request = prepared.copy()
        request.prepare_url(url, params)
        timeout = (self.limits.connect, self.limits.stall)
        # Not by the session, which reads a redirect's body to its end, even where it does not follow it.
        return local.session.get_adapter(request.url).send(request, **settings, timeout=timeout)


def _host(url):
    return urllib.parse.urlsplit(url).netloc


def _redirected(url, response):
    """Find where a redirect leads; None for any other answer."""
    if response.status_code not in (301, 302, 303, 307, 308):
        return None
    target = urllib.parse.urljoin(url, response.headers.get("Location") or "")
    if not response.headers.get("Location") or not target.startswith(("http://", "https://")):
        raise Refused(f"redirects to {target[:100]!r}, which is no http:// or https:// URL")
    return target


def _number(text):
    """Read a header's whole number; None where it is none."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _retry_after(text):
    """Seconds from a Retry-After header, which is a number or a date; None when there is none that makes sense."""
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _reason(error):
    """Return the innermost cause of a connection error in a few words."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:100] or type(error).__name__


def shown(url):
    """Write a URL without its query, which may hold a key."""
    return url.split("?")[0]
