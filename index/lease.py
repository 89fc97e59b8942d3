"""One writer at a time of a store on object storage: a lease, which its holder renews and another may take when it has run out.

Leases are objects `lock/NUMBER`; the highest number counts, and it is taken by making the next one, which only one of several can. A
holder whose process is gone on the same machine is no holder.
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from cladescope import object_storage
from cladescope.errors import InUseError, StoreError

logger = logging.getLogger(__name__)

FOLDER = "lock"
LEASE_SECONDS = 120.0
"""After so long without renewal a lease has run out; clocks of machines must agree to within half of it."""
RENEW_SECONDS = 20.0
_held: dict[str, "_Lease"] = {}


class _Lease:
    """A lease of this process."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number, self.is_lost = url, number, False
        self._about = {
            "owner": uuid4().hex,
            "machine": _machine(),
            "host": socket.gethostname(),
            "process": os.getpid(),
        }
        self._ended = threading.Event()
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    @property
    def name(self) -> str:
        return f"{FOLDER}/{self.number:012d}"

    def take(self) -> bool:
        """Whether it was free to take."""
        if not object_storage.write(self.url, self.name, self._text(), new=True):
            return False
        self._thread.start()
        return True

    def _text(self, *, ended: bool = False) -> bytes:
        return json.dumps(self._about | {"until": 0.0 if ended else time.time() + LEASE_SECONDS}).encode()

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                if _newest(self.url) != self.number or time.monotonic() - self._renewed > LEASE_SECONDS:
                    self.is_lost = True
                    return
                object_storage.write(self.url, self.name, self._text())
                self._renewed = time.monotonic()
            except StoreError as error:
                logger.warning("the lease of %s could not be renewed, and is tried again: %s", self.url, error)

    def give_back(self) -> None:
        """Let the next one write at once; the objects of earlier leases are deleted."""
        self._ended.set()
        self._thread.join()
        if self.is_lost:
            return
        object_storage.write(self.url, self.name, self._text(ended=True))
        earlier = [name for name in object_storage.names(self.url, FOLDER) if name < self.name]
        if earlier:
            object_storage.delete(self.url, earlier)


@contextlib.contextmanager
def leased(url: str) -> Iterator[None]:
    """Hold a store on object storage for one writer. Raises InUseError where another writes."""
    number = _newest(url)
    if number and (holder := _holder(url, number)) is not None:
        raise _taken(url, holder)
    lease = _Lease(url, number + 1)
    if not lease.take():
        raise _taken(url, _holder(url, number + 1) or {})
    _held[url] = lease
    try:
        yield
    finally:
        del _held[url]
        lease.give_back()


def check(url: str) -> None:
    """Raise StoreError where this process held a store and its lease was taken by another, as after a long sleep."""
    if (lease := _held.get(url)) is not None and lease.is_lost:
        raise StoreError(
            f"another job took over {url}, for this one did not renew its lease for {LEASE_SECONDS:.0f} s: run it again"
        )


def _newest(url: str) -> int:
    """Number of the newest lease; 0 where there was none."""
    return max(
        (int(Path(name).name) for name in object_storage.names(url, FOLDER) if Path(name).name.isdigit()), default=0
    )


def _holder(url: str, number: int) -> dict[str, Any] | None:
    """Who holds a lease; None where it was given back, has run out, or its process is gone."""
    content = object_storage.read(url, f"{FOLDER}/{number:012d}")
    if content is None:
        return None
    about: dict[str, Any] = json.loads(content)
    if about["until"] < time.time():
        return None
    is_here = about["machine"] == _machine()
    return None if is_here and not Path(f"/proc/{about['process']}").exists() and Path("/proc/self").exists() else about


def _machine() -> str:
    """What tells this machine, since it was started, and this space of process numbers from all others."""
    found = [socket.gethostname()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            found.append(str(Path(place).readlink()) if place.endswith("pid") else Path(place).read_text().strip())
    return " ".join(found)


def _taken(url: str, holder: dict[str, Any]) -> InUseError:
    who = f" (process {holder['process']} on {holder['host']})" if holder else ""
    return InUseError(
        f"another job is writing to {url}{who}: wait for it to end, or {LEASE_SECONDS:.0f} s if it was killed on another machine"
    )
