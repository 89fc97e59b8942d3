"""The fastest way of an encoder on a machine, kept in a file of the user's cache folder for later jobs.

A file is for one processor with its caches and the number of cores that a job may use, one encoder, and what computes it in one version; any
other asks for a file of another name.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from platformdirs import user_cache_path

from cladescope.embedding.ways import Choice, Way
from cladescope.files import is_sealed, sealed, write_json
from cladescope.processor import memory_caches, n_cores, processor_name

FORMAT = 1
_WRITING = Lock()
"""Threads of a process would write one draft."""


def cache_folder() -> Path:
    """Where the files lie, some hundred bytes each; they may be deleted at any time."""
    return user_cache_path("cladescope", appauthor=False) / "ways"


class KeptWay:
    """The file of one encoder on this machine.

    >>> import tempfile
    >>> way = Way(part=4, side_by_side=2, threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = KeptWay({"encoder": "0af3"}, Path(folder))
    ...     kept.write(Choice(way=way, gain=1.1))
    ...     found = KeptWay({"encoder": "0af3"}, Path(folder)).read(), KeptWay({"encoder": "77c1"}, Path(folder)).read()
    >>> print(found[0].way, found[1])
    parts of 4 pictures, 2 at the same time None
    """

    def __init__(self, about: Mapping[str, object], folder: Path | None = None) -> None:
        """`about` are plain values: the encoder, and what computes it."""
        machine = {"processor": processor_name(), "cores": n_cores(), "caches": memory_caches()}
        self._key = json.loads(json.dumps({"format": FORMAT, **machine, **about}))
        name = hashlib.blake2b(json.dumps(self._key, sort_keys=True).encode(), digest_size=16).hexdigest()
        self.path = (folder or cache_folder()) / f"{name}.json"
        self.measured: str | None = None
        """The day of what was read."""

    def read(self) -> Choice | None:
        """What was found once; None where there is no file. Raises ValueError, with a line that says why, where it cannot be used."""
        try:
            values = json.loads(self.path.read_bytes())
            if not isinstance(values, dict) or not is_sealed(values):
                raise ValueError("it is not as it was written")
            if values.get("key") != self._key:
                raise ValueError("it is another machine's or encoder's")
            gain = values["gain"]
            choice = Choice(way=Way.from_dict(values["way"]), gain=None if gain is None else float(gain))
            self.measured = str(values["measured"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            said = (
                "it is no JSON"
                if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError)
                else str(error)
            )
            raise ValueError(f"{self.path} cannot be used ({said.partition(chr(10))[0]})") from error
        return choice

    def write(self, choice: Choice) -> None:
        """Keep it; of two jobs that write at once one stays. Raises OSError where there is no room, or no right to write."""
        day = datetime.now(UTC).date().isoformat()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        values = {"key": self._key, "way": choice.way.to_dict(), "gain": choice.gain, "measured": day}
        with _WRITING:
            write_json(self.path, sealed(values))
