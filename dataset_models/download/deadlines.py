"""A time limit that holds for a whole request: while a proxy, headers, the lines between chunks or a body drip as well.

A socket's own timeout starts anew with each byte. Here the connection is cut from outside when the time is over.
"""

import contextlib
import os
import socket
import threading

import requests
import urllib3

_current = threading.local()


class Deadline:
    """Cuts the connections of this thread's request when its time is over; a context manager.

    Parameters
    ----------
    seconds : float

    Attributes
    ----------
    over : bool
        Whether the time was over.
    """

    def __init__(self, seconds):
        self.over = False
        self._sockets, self._lock = [], threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self):
        _current.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_):
        _current.deadline = None
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()

    def watch(self, connected):
        """Have a connected socket cut as well."""
        # A second name of the connection: the first one moves into TLS, and is closed before the body has been read.
        twin = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._sockets.append(twin)
            if self.over:
                _shut(twin)

    def _cut(self):
        with self._lock:
            self.over = True
            for one in self._sockets:
                _shut(one)


def _shut(connected):
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


class _Watched:
    """A connection that the deadline of its thread can cut."""

    def _new_conn(self):
        connected = super()._new_conn()
        _watch(connected)
        return connected

    def request(self, *arguments, **keywords):
        if self.sock is not None:  # of an earlier request
            _watch(self.sock)
        super().request(*arguments, **keywords)


def _watch(connected):
    deadline = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connected)


class _Connection(_Watched, urllib3.connection.HTTPConnection):
    pass


class _SecureConnection(_Watched, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Adapter(requests.adapters.HTTPAdapter):
    """Connections for a session of requests that a `Deadline` can cut."""

    def init_poolmanager(self, *arguments, **keywords):
        """Make the connections to hosts."""
        super().init_poolmanager(*arguments, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy, **keywords):
        """Make the connections to a proxy."""
        manager = super().proxy_manager_for(proxy, **keywords)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
