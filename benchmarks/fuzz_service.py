"""10,000 mutated requests against `cladescope serve`, and as many against one that writes; a table by kind.

python benchmarks/fuzz_service.py
python benchmarks/fuzz_service.py photos.store --n 2000

The store is copied, or simulated. It ends with 1 where an answer has a status of 5xx other than 503, a traceback stands in the log, the process ended, or memory grew.
Bodies that never come whole are tried for two minutes with `--slow`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path

from fuzz_answers import Answers, resident_mb, sent
from fuzz_requests import API, KINDS, Known, head
from side_by_side import machine, print_table

import cladescope

GROWTH_MB = 100.0
"""How much memory may grow between the end of the first third and the end: heaps of threads and caches fill at first."""


class Service:
    """`cladescope serve` as a process."""

    def __init__(self, store: Path, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as file:
            command = [
                sys.executable,
                "-m",
                "cladescope.app.cli",
                "serve",
                str(store),
                "--port",
                "0",
                "--json",
                *arguments,
            ]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, env=os.environ)
        told = ""
        while not told.endswith("}\n"):
            line = self.process.stdout.readline() if self.process.stdout else ""
            if not line:
                raise SystemExit(log.read_text())
            told += line
        self.address: str = json.loads(told)["address"]
        self.port = int(self.address.rpartition(":")[2])
        self.store: str = json.loads(told)["stores"][0]
        while self.get("/health")["encoders"][0]["state"] == "loading":
            time.sleep(0.1)

    def get(self, path: str) -> dict:
        """What a path below the API is answered."""
        with urllib.request.urlopen(f"{self.address}{API}{path}", timeout=60) as answer:
            found: dict = json.load(answer)
            return found

    def known(self) -> Known:
        """What it has, once its map is made."""
        rows = self.get(f"/stores/{self.store}/rows?limit=200")["rows"]
        while (found := self.get(f"/stores/{self.store}/map"))["state"] == "making":
            time.sleep(0.1)
        picture = next(Path(row["uri"]).read_bytes() for row in rows if Path(row["uri"]).is_file())
        return Known(self.store, [row["image_id"] for row in rows], picture, key=found["key"])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)


def simulated(folder: Path) -> Path:
    """A store of simulated clades."""
    cladescope.simulate(folder / "clades", species=12, images=4, seed=1, size=96)
    cladescope.embed(folder / "clades" / "metadata.csv", folder / "clades.store", encoder="pixels")
    return folder / "clades.store"


def told(service: Service, answers: Answers, before: float) -> list[str]:
    """The table of the answers; and the faults, as sentences."""
    statuses = sorted({status for found in answers.by_kind.values() for status in found})
    header = ["kind", "sent", *(str(one) if one else "none due" for one in statuses)]
    rows = [
        [kind, f"{found.total():,}", *(f"{found[one] or '':,}" if found[one] else "" for one in statuses)]
        for kind, found in sorted(answers.by_kind.items())
    ]
    print_table(header, rows)
    log = service.log.read_text(errors="replace")
    now = resident_mb(service.process.pid)
    print(
        f"\nMemory: {before:.0f} MB after the first third, {now:.0f} MB at the end. Log: {len(log.splitlines()):,} lines.\n"
    )
    faults = list(answers.faults)
    if service.process.poll() is not None:
        faults.append("the process ended")
    if "Traceback" in log:
        faults.append(f"a traceback stands in the log: {log[log.index('Traceback') - 300 :][:3000]}")
    if now > before + GROWTH_MB:
        faults.append(f"memory grew from {before:.0f} to {now:.0f} MB")
    return faults


def slow_bodies(service: Service) -> list[str]:
    """Bodies that never come whole: each is refused after a minute."""
    faults = []
    for kind in ("application/json", "multipart/form-data; boundary=b", "application/octet-stream"):
        path = f"{API}/stores/{service.store}/{'predict' if 'json' in kind else 'search/image'}"
        with closing(socket.create_connection(("127.0.0.1", service.port), timeout=90)) as asking:
            asking.sendall(head("POST", path, "Content-Length: 1000", f"Content-Type: {kind}") + b"-")
            began = time.monotonic()
            answer = asking.recv(4096)
        print(f"{kind}: {answer.splitlines()[0].decode()} after {time.monotonic() - began:.0f} s")
        if b" 408 " not in answer:
            faults.append(f"a slow body of {kind} got {answer[:100]!r}")
    return faults


def main() -> None:
    """Fuzz, print, and end with 1 for a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?", help="a store, which is copied; simulated without one")
    parser.add_argument("--n", type=int, default=10_000, help="requests to each service")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slow", action="store_true", help="try bodies that never come, too: three minutes")
    given = parser.parse_args()
    print(f"{machine()}; seed {given.seed}; {len(KINDS)} kinds\n")
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = (
            simulated(folder) if given.store is None else Path(shutil.copytree(given.store, folder / given.store.name))
        )
        for title, arguments in (("serve", []), ("serve --write", ["--write"])):
            print(f"`{title}`\n")
            service = Service(store, folder / "log.txt", *arguments)
            try:
                known = service.known()
                answers = sent(service.port, known, given.n // 3, seed=given.seed)
                before = resident_mb(service.process.pid)
                more = sent(service.port, known, given.n - given.n // 3, seed=given.seed + 1)
                for kind, found in more.by_kind.items():
                    answers.by_kind.setdefault(kind, type(found)()).update(found)
                answers.faults += more.faults
                faults += told(service, answers, before)
                faults += slow_bodies(service) if given.slow and not arguments else []
            finally:
                service.stop()
    print(f"{len(faults)} faults")
    for one in faults[:30]:
        print(one)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
