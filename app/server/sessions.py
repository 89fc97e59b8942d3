"""Sessions of browsers: a page sends the token once, and bears a cookie from then on that is not the token."""

import secrets
import threading
from collections import OrderedDict

COOKIE = "cladescope_session"
MOST = 1000
"""Sessions that are remembered, the newest; a page whose session is forgotten asks for the token again."""


class Sessions:
    """The sessions that were begun. They are kept in memory alone, and end with the service."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self) -> str:
        """A new session: 256 random bits as text."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._ids[session] = None
            while len(self._ids) > MOST:
                self._ids.popitem(last=False)
        return session

    def end(self, session: str) -> None:
        """Forget a session; one that is not known is none."""
        with self._lock:
            self._ids.pop(session, None)

    def holds(self, session: str) -> bool:
        """Whether a session was begun and has not ended. To look up a random text of 256 bits tells nothing of others."""
        return session in self._ids


def session_in(cookies: str) -> str:
    """The session that a header `Cookie` bears; empty where it bears none.

    >>> session_in("theme=dark; cladescope_session=abc")
    'abc'
    """
    for one in cookies.split(";"):
        name, _, value = one.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
