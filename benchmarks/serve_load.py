"""Many clients at once against `cladescope serve` on this machine: errors, waits, requests a second, and memory.

python benchmarks/serve_load.py
python benchmarks/serve_load.py photos.store --clients 64 --seconds 600

The store is copied (thumbnails and maps are written into it), or simulated. Each client sends one request after another of a mix: search by picture
(an upload), by text where the encoder takes any, by id, rows, thumbnails, tree and codes of the map. Before that, one client alone searches by picture, beside the
time that the encoder takes for one picture in a process by itself. Ends with 1 where a request had an error.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import urllib3
from fuzz_answers import resident_mb
from fuzz_service import Service, simulated
from side_by_side import machine, print_table

from cladescope.embedding.encode import encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.given import as_records
from cladescope.index.store import Store

MIX = {"picture": 2, "text": 1, "id": 4, "rows": 2, "thumbnail": 8, "tree": 2, "codes": 1}
"""How often each kind of request is sent."""
ALONE = 100
"""Searches by picture of one client, and pictures that the encoder embeds by itself."""
PICTURES = 200
"""Pictures of the store that are sent."""


@dataclass
class Seen:
    """What was answered: seconds by kind, and errors as they were told."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


class Clients:
    """Clients of one service."""

    def __init__(self, service: Service, pictures: Sequence[bytes], key: str) -> None:
        self.service, self.pictures, self.key = service, pictures, key
        self.base = f"{service.address}/api/v1/stores/{quote(service.store)}"
        rows = service.get(f"/stores/{service.store}/rows?limit=1000")["rows"]
        self.ids = [quote(row["image_id"], safe="") for row in rows]
        has_text = service.get(f"/stores/{service.store}")["has_text"]
        self.kinds = [kind for kind in MIX if has_text or kind != "text"]
        self.by = "species"

    def ask(self, pool: urllib3.PoolManager, kind: str, rng: random.Random) -> str | None:
        """Send one request. Returns what is wrong with its answer."""
        image_id = rng.choice(self.ids)
        if kind == "picture":
            answer = pool.request("POST", f"{self.base}/search/image?k=10", body=rng.choice(self.pictures))
        else:
            path = {
                "text": f"search?text=a+photo+of+{rng.choice(('a+bird', 'a+plant', 'an+insect', 'a+fish'))}",
                "id": f"search?id={image_id}&k=10", "rows": f"rows?limit=100&cursor={rng.randrange(len(self.ids))}",
                "thumbnail": f"thumbnails/{image_id}?side=256", "tree": "tree", "codes": f"map/codes?key={self.key}&by={self.by}",
            }[kind]  # fmt: skip
            answer = pool.request("GET", f"{self.base}/{path}")
        return None if answer.status == 200 else f"{kind}: {answer.status} {answer.data[:150]!r}"

    def run(self, n_clients: int, seconds: float) -> Seen:
        """Ask with so many clients at once for so long."""
        seen, lock, ends = Seen(), threading.Lock(), time.monotonic() + seconds

        def one(number: int) -> None:
            rng, source = random.Random(number), (f"127.0.0.{number % 250 + 1}", 0)
            weights = [MIX[kind] for kind in self.kinds]
            with urllib3.PoolManager(retries=False, timeout=120, source_address=source) as pool:
                while time.monotonic() < ends:
                    kind = rng.choices(self.kinds, weights)[0]
                    began = time.perf_counter()
                    try:
                        wrong = self.ask(pool, kind, rng)
                    except urllib3.exceptions.HTTPError as error:
                        wrong = f"{kind}: {type(error).__name__}"
                    took = time.perf_counter() - began
                    with lock:
                        seen.seconds.setdefault(kind, []).append(took)
                        seen.errors.update([wrong] if wrong else [])

        threads = [threading.Thread(target=one, args=(number,)) for number in range(n_clients)]
        for thread in threads:
            thread.start()
        began, minute = time.monotonic(), 0
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            if time.monotonic() - began >= 60 * (minute + 1):
                minute += 1
                print(f"memory after {minute} min: {resident_mb(self.service.process.pid):,.0f} MB", flush=True)
        return seen

    def alone(self) -> np.ndarray:
        """Milliseconds of searches by picture of one client alone, the first few left out."""
        found = []
        with urllib3.PoolManager(retries=False) as pool:
            for number in range(ALONE + 5):
                picture, began = self.pictures[number % len(self.pictures)], time.perf_counter()
                answer = pool.request("POST", f"{self.base}/search/image?k=10", body=picture)
                found.append(1000 * (time.perf_counter() - began))
                if answer.status != 200:
                    raise SystemExit(answer.data.decode())
        return np.array(found[5:])


def encoder_alone(encoder: Encoder, pictures: Sequence[bytes]) -> np.ndarray:
    """Milliseconds in which an encoder of this process embeds one picture of those bytes, the first few left out."""
    found = []
    for number in range(ALONE + 5):
        began = time.perf_counter()
        for batch in encoded(list(as_records([pictures[number % len(pictures)]])), encoder):
            assert len(batch.vectors) == 1
        found.append(1000 * (time.perf_counter() - began))
    return np.array(found[5:])


def show(seen: Seen, seconds: float) -> None:
    """The table of what was answered."""
    rows, every = [], np.concatenate([np.array(one) for one in seen.seconds.values()])
    for kind, took in [*((kind, np.array(one)) for kind, one in sorted(seen.seconds.items())), ("all", every)]:
        n_errors = sum(n for told, n in seen.errors.items() if kind == "all" or told.startswith(f"{kind}:"))
        middle, late = np.quantile(took, [0.5, 0.99])
        rows.append(
            [
                kind,
                f"{len(took):,}",
                f"{n_errors:,}",
                *(f"{1000 * one:,.0f}" for one in (middle, late, took.max())),
                f"{len(took) / seconds:,.1f}",
            ]
        )
    print_table(["request", "answers", "errors", "p50, ms", "p99, ms", "most, ms", "a second"], rows)


def main() -> None:
    """Load a service, print, and end with 1 for an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?", help="a store, which is copied; simulated without one")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    print(f"{machine()}; {given.clients} clients for {given.seconds:g} s\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = (
            simulated(folder) if given.store is None else Path(shutil.copytree(given.store, folder / given.store.name))
        )
        opened = Store.open(store)
        uris = [Path(one) for one in opened.table(["uri"]).column(0).to_pylist()]
        pictures = [
            path.read_bytes() for path in random.Random(0).sample(uris, min(PICTURES, len(uris))) if path.is_file()
        ]
        own = encoder_alone(opened.encoder, pictures)
        service = Service(store, folder / "log.txt")
        try:
            clients = Clients(service, pictures, service.known().key)
            start, alone = resident_mb(service.process.pid), clients.alone()
            more = np.median(alone) - np.median(own)
            print(
                f"one client, search by picture: p50 {np.median(alone):.1f} ms; the encoder's own time {np.median(own):.1f} ms; {more:+.1f} ms\n"
            )
            seen = clients.run(given.clients, given.seconds)
            end = resident_mb(service.process.pid)
        finally:
            service.stop()
    show(seen, given.seconds)
    print(f"\nmemory at the start {start:,.0f} MB, at the end {end:,.0f} MB")
    for told, n in seen.errors.most_common(10):
        print(f"{n:,} x {told}")
    sys.exit(bool(seen.errors))


if __name__ == "__main__":
    main()
