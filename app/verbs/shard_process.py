"""One process that embeds a shard of a source, and tells its progress and what it did in lines of JSON.

Run as a program it is that process: it reads its call from stdin. Signals ask it to commit and end.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cladescope.app.verbs.shard_progress import Call
from cladescope.app.verbs.shard_tasks import summary_of, verb
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.errors import CladescopeError, InUseError

IN_USE = 75
"""Its exit status where another job holds the shard's part."""
TELL_SECONDS = 0.5


class ShardProcess:
    """A process that embeds one shard on a device, with so many threads; it was started `tries` times."""

    def __init__(self, call: Call, device: str, threads: int, tries: int = 1) -> None:
        """Starts it; `device` is the number of a GPU, or `cpu`."""
        gpu = {} if device == "cpu" else {"CUDA_VISIBLE_DEVICES": device}
        environment = {"OMP_NUM_THREADS": str(threads)} | os.environ | gpu
        self.tries = tries
        self.state: Progress | None = None
        """How far it is, once it has told."""
        self._told: Mapping[str, Any] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            text=True, env=environment,
        )  # fmt: skip
        assert self.process.stdin is not None, "it is a pipe"
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(json.dumps(call | {"device": "cpu" if device == "cpu" else "cuda"}))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None, "it is a pipe"
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # a line that a kill has cut
                told = json.loads(line)
                if "progress" in told:
                    self.state = Progress(**told["progress"])
                else:
                    self._told = told["summary"]

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        status = self.process.poll()
        if status is not None:
            self._reader.join()
        return status

    @property
    def summary(self) -> EmbedSummary | None:
        """What it did, if it came to its end."""
        return None if self._told is None or self.process.returncode else summary_of(self._told)

    @property
    def said(self) -> str:
        """The last line that it wrote to stderr."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"its process ended with {self.process.returncode}"

    def stop(self) -> None:
        """Ask it to commit and end."""
        self.process.terminate()

    def end(self, *, at_once: bool) -> None:
        """Wait for its end, and let go of it; `at_once` does not leave it time to commit."""
        if at_once:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self._errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _main() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    call = json.load(sys.stdin)
    last = 0.0

    def tell(state: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            try:
                _say({"progress": asdict(state)})
            except BrokenPipeError:  # nobody waits for it any more
                stop.set()

    try:
        _say({"summary": verb("embed")(**call, progress=tell, stop=stop).to_dict()})
    except CladescopeError as error:
        print(str(error), file=sys.stderr)  # noqa: T201
        sys.exit(IN_USE if isinstance(error, InUseError) else 1)


def _say(told: Mapping[str, Any]) -> None:
    print(json.dumps(told, default=str), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()
