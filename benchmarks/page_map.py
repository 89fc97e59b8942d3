"""How soon the page's map of many pictures is there, recoloured and filtered, in a headless Chromium without a graphics chip.

python benchmarks/page_map.py
python benchmarks/page_map.py --sizes 100000 --rounds 5

The pictures are made up: lineages of 5,000 species, and points about random centres, so that no time goes into laying them out. The service is
`cladescope serve`, asked once before, as it is after the first visitor. Milliseconds are from the reader's act (the address, a choice, a click) to the first
part of the map on the screen, and to all of it; what is fetched is in it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scale import fill
from side_by_side import clustered_vectors, machine, print_table

SIZES = (100_000, 1_000_000)
WATCH = """
window.watched = { painted: [], whole: [] };
for (const [kind, name] of [["CanvasRenderingContext2D", "putImageData"], ["WebGL2RenderingContext", "drawArrays"]]) {
  const own = window[kind].prototype[name];
  window[kind].prototype[name] = function (...given) { watched.painted.push(performance.now()); return own.apply(this, given); };
}
document.addEventListener("drawn", () => watched.whole.push(performance.now()), true);
performance.setResourceTimingBufferSize(10000);
window.timesSince = (began) => {
  const fetched = performance.getEntriesByType("resource").filter((one) => one.startTime >= began && /map.(points|codes|selected)/.test(one.name));
  const end = Math.max(began, ...fetched.map((one) => one.responseEnd));
  const after = (times) => times.filter((one) => one >= end);
  return { first: after(watched.painted)[0] ?? null, whole: after(watched.whole).at(-1) ?? null, last: Math.max(end, ...watched.painted), now: performance.now() };
};
"""
"""Notes when anything is painted, and when the map says that all of it is; what counts comes after the last answer that the map waited for."""
QUIET = 1000.0
"""Milliseconds without painting after which an act is over."""


def make(path: Path, n: int) -> None:
    """A store of n made-up pictures with a map that is laid out already."""
    import numpy as np

    from cladescope.app.service.map_made import MadeMap, MapAbout
    from cladescope.app.service.map_order import density_aware_order
    from cladescope.index.store import Store

    fill(path, clustered_vectors(n, 8))
    store = Store.open(path)
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 2)) * 6
    points = (centres[generator.integers(60, size=n)] + generator.normal(size=(n, 2))).astype(np.float32)
    order = density_aware_order(points)
    ids = store.table(["image_id"]).column(0).combine_chunks()
    about = MapAbout(
        version=store.version, method="umap", encoder=store.card.name, card=store.card.to_dict(), notes=(), n_left_out=0, trustworthiness=None
    )  # fmt: skip
    MadeMap(ids.take(order), points[order], about).save(path / "maps" / "own.arrow")


def serve(path: Path) -> tuple[subprocess.Popen[str], str]:
    """A service of a store, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cladescope.app.cli", "serve", str(path), "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    while lines[-1:] != ["}\n"]:
        lines.append(process.stdout.readline())
    return process, json.loads("".join(lines))["address"]


def over(page: Any, began: float) -> tuple[float, float]:
    """Milliseconds from a moment to the first part of the map that came of it, and to all of it; waits until nothing is painted any more."""
    while True:
        times = page.evaluate("began => timesSince(began)", began)
        if times["whole"] is not None and times["now"] - times["last"] > QUIET:
            return times["first"] - began, times["whole"] - began
        time.sleep(0.02)


def act(page: Any, do: Callable[..., object], *given: object) -> tuple[float, float]:
    """The same of an act of the reader."""
    began: float = page.evaluate("performance.now()")
    do(*given)
    return over(page, began)


def rounds_of(browser: Any, address: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """What each act took, in each round; the first visit, which fills the service's caches, is not among them."""
    found: dict[str, list[tuple[float, float]]] = {
        "first paint": [],
        "recolour": [],
        "keep a clade": [],
        "let it go": [],
    }
    for number in range(rounds + 1):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(WATCH)
        page.goto(address)
        opened = over(page, 0.0)
        page.wait_for_selector("[role=treeitem]")
        colour = page.get_by_role("combobox", name="Colour", exact=True)
        recoloured = [act(page, colour.select_option, by) for by in ("species", "order", "class")]
        clade = page.locator("[role=treeitem]").first
        kept = act(page, clade.click)
        released = act(page, clade.click)
        page.close()
        if number:
            for name, several in zip(found, ([opened], recoloured, [kept], [released]), strict=True):
                found[name] += several
    return found


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    asked = parser.parse_args()
    print(machine())
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        for n in asked.sizes:
            path = Path(folder) / f"{n}.store"
            make(path, n)
            process, address = serve(path)
            browser = driver.chromium.launch(executable_path=asked.chromium, args=["--no-sandbox"])
            found = rounds_of(browser, address, asked.rounds)
            browser.close()
            process.terminate()
            process.wait()
            rows += [
                [f"{n:,}", name, *(f"{statistics.median(one[place] for one in several):,.0f}" for place in (0, 1))]
                for name, several in found.items()
            ]
    print_table(["pictures", "what", "first part (ms)", "all of it (ms)"], rows)


if __name__ == "__main__":
    main()
