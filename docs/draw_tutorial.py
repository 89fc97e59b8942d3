"""Draw the pictures of docs/tutorial.md: python docs/draw_tutorial.py

Its commands are typed in order in a folder that is thrown away, and what they draw is kept in docs/images. The page of the report is
photographed by headless Chromium, as a browser shows it first. Takes some minutes.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent
IMAGES = DOCS / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGE = (1080, 1340)
"""Size of the browser's window."""
COLOURS = 128
"""Of a drawing."""
WIDEST = 1200
"""Pixels of a picture in the tutorial."""


def commands(text: str) -> list[list[str]]:
    """The commands of a page, in order.

    >>> commands("as follows:\n```sh\ncladescope info a.store\n```\n")
    [['cladescope', 'info', 'a.store']]
    """
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def browser() -> str:
    """The browser that there is. Ends with a line where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"found no browser, expected one of {', '.join(BROWSERS)}: the report's picture is made by it")
    return found


def photograph(page: Path, picture: Path) -> None:
    """Keep what a browser shows of a page."""
    width, height = PAGE
    call = [
        browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--blink-settings=preferredColorScheme=1",
    ]
    subprocess.run(
        [*call, f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()],
        check=True,
        capture_output=True,
    )


def keep(drawn: Path, name: str) -> None:
    """Put a picture into docs/images, no wider than a page; photographs as JPEG, others in as few colours as they need."""
    with Image.open(drawn) as picture:
        small = picture.convert("RGB")
        small.thumbnail((WIDEST, 10 * WIDEST), Image.Resampling.LANCZOS)
        if name.endswith(".jpg"):
            small.save(IMAGES / name, quality=85)
        else:
            small.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)


def main() -> None:
    """Type, draw, keep."""
    browser()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for _, *arguments in commands((DOCS / "tutorial.md").read_text(encoding="utf-8")):
            subprocess.run(
                [sys.executable, "-m", "cladescope.app.cli", *arguments],
                check=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(DOCS.parent)},
            )
        photograph(folder / "report" / "report.html", folder / "report.png")
        keep(folder / "hits.png", "tutorial-hits.jpg")
        keep(folder / "map" / "map.png", "tutorial-map.png")
        keep(folder / "report.png", "tutorial-report.png")


if __name__ == "__main__":
    main()
