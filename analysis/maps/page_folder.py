"""A map's page as a folder for any web server: the page, its data and small pictures as files, and whose the pictures are."""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cladescope.analysis.maps.page import bundle, head, index_of
from cladescope.analysis.maps.page_data import PageMap
from cladescope.analysis.maps.small_pictures import SmallPictures
from cladescope.files import write_text
from cladescope.index.exporting import attribution
from cladescope.steps import step

FILES = (
    "index.html",
    "page.js",
    "page.css",
    "pictures.csv",
    "data/index.json",
    "data/*/*.bin",
    "data/*/*/*.bin",
    "pictures/*/*/*.jpg",
)
"""What such a folder consists of."""
IN_A_FOLDER = 1000
"""Small pictures in a folder."""
_AT_ONCE = 256
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class WrittenPage:
    """What was written into a folder."""

    files: int
    n_bytes: int
    picture_bytes: int
    """Of these, those of small pictures."""
    page: PageMap


def write_page_folder(one: PageMap, folder: Path, *, title: str, picture: Callable[[int], bytes | str]) -> WrittenPage:
    """Write the page of a map into a new folder.

    `picture` gives the JPEG of an index, or says in a few words why there is none; it is called by several threads. Addresses are relative, so that the
    folder may stand anywhere below a server's root. `pictures.csv` has a line a picture: its file, name, licence and attribution.

    Raises OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True)
    page = replace(one, small=_write_pictures(len(one), folder / "pictures" / "0", picture))
    with step("writing the page and its data"):
        for name, part in page.parts():
            path = folder / "data" / "0" / f"{name}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part)
        index = json.dumps(index_of([page.about()]), separators=(",", ":"))
        write_text(folder / "data" / "index.json", index)
        write_text(folder / "page.js", bundle("page.js"))
        write_text(folder / "page.css", bundle("page.css"))
        write_text(
            folder / "index.html",
            f'{head(title, POLICY)}<link rel="stylesheet" href="page.css"></head>\n'
            '<body><div id="app"></div><noscript>This page needs JavaScript.</noscript><script src="page.js"></script></body></html>\n',
        )
        with (folder / "pictures.csv").open("w", encoding="utf-8", errors="replace", newline="") as file:
            csv.writer(file).writerows(_listed(page))
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return WrittenPage(files=len(sizes), n_bytes=sum(sizes), picture_bytes=sum(page.small.sizes.values()), page=page)


def picture_path(index: int) -> str:
    """Where the small picture of an index lies.

    >>> picture_path(12345)
    'pictures/0/12/12345.jpg'
    """
    return f"pictures/0/{index // IN_A_FOLDER}/{index}.jpg"


def _write_pictures(n: int, folder: Path, picture: Callable[[int], bytes | str]) -> SmallPictures:
    found = SmallPictures()
    missing: Counter[str] = Counter()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool, step("writing small pictures", n) as tell:
        for start in range(0, n, _AT_ONCE):
            several = range(start, min(start + _AT_ONCE, n))
            for index, made in zip(several, pool.map(picture, several), strict=True):
                if isinstance(made, str):
                    missing[made] += 1
                    continue
                path = folder / str(index // IN_A_FOLDER) / f"{index}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(made)
                found.sizes[index] = len(made)
            tell(several.stop)
    found.missing.update(missing)
    return found


def _listed(page: PageMap) -> Iterator[list[Any]]:
    yield ["picture", "image_id", "name", "uri", "licence", "rights_holder", "attribution"]
    pictures = page.plain
    columns = [pictures.texts(name).to_pylist() for name in ("image_id", "uri", "licence", "rights_holder", "label")]
    names = pictures.paths().to_pylist()
    for index, (image_id, uri, licence, holder, label) in enumerate(zip(*columns, strict=True)):
        shown = picture_path(index) if index in page.small.sizes else ""
        yield [shown, image_id, names[index] or label, uri, licence, holder, attribution(holder, licence)]
