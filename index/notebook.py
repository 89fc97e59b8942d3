"""Stores and answers as a notebook shows them: small pictures inside the cell, so that nothing else need run.

Pictures of stores, answers and predictions are read from this machine's disks alone. Names are data: all of them are escaped.
"""

from collections.abc import Iterable
from html import escape
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cladescope.embedding.thumbnail import local_file, photograph
from cladescope.errors import InputError
from cladescope.index.description import ranks_of
from cladescope.index.hits import Hit, SearchResult
from cladescope.index.store_reader import StoreReader
from cladescope.schema import LABEL
from cladescope.shown import counted, shown
from cladescope.taxonomy import RANKS, Taxon

SIDE = 160
"""Pixels of a picture's longer side."""
MOST = 24
"""Pictures of an answer."""
OF_STORE = 8
"""Pictures of a store."""
_TILE = (
    f"display:inline-block;vertical-align:top;width:{SIDE}px;margin:0 8px 10px 0;font-size:12px;overflow-wrap:anywhere"
)
_PLAIN = f"display:block;width:{SIDE}px;height:{SIDE}px;background:#8884;padding:6px;box-sizing:border-box"


class Shown(NamedTuple):
    """A picture and the lines under it."""

    uri: str
    lines: tuple[str, ...]


def pictures(several: Iterable[Shown], most: int = MOST, *, more: str = "") -> str:
    """Pictures beside each other with their lines; `more` says of those after the first `most`.

    One that cannot be read is a plain tile that says why.

    >>> pictures([Shown("gone.jpg", ("<b>",))])
    '<div><figure ...>gone.jpg is not there</span><figcaption>&lt;b&gt;</figcaption></figure></div>'
    """
    tiles = "".join(_tile(one) for one in islice(several, most))
    return f"<div>{tiles}</div>" + (f"<p>{escape(more)}</p>" if more else "")


def store_cell(store: StoreReader) -> str:
    """A store: its line, the taxa of each rank and the labels that it has, and its first pictures."""
    rows = [
        f"<tr><td>{rank}</td><td>{one['taxa']:,}</td><td>{one['images']:,}</td></tr>"
        for rank, one in ranks_of(store).items()
        if one["images"]
    ]
    head = "<tr><th>rank</th><th>taxa</th><th>pictures</th></tr>"
    names = [name for name in ("uri", *RANKS, LABEL) if name in store.schema.names]
    first = [row for batch in islice(store.scan(names, block_rows=OF_STORE), 1) for row in batch.to_pylist()]
    several = [Shown(row["uri"], _name(Taxon.from_ranks(row), row.get(LABEL))) for row in first]
    table = f"<table>{head}{''.join(rows)}</table>" if rows else ""
    return f"<div><p>{escape(shown(repr(store)))}</p>{table}{pictures(several, OF_STORE)}</div>"


def answer_cell(found: SearchResult) -> str:
    """The hits of a search, best first, what they agree on, and what a reader should know of them."""
    agreed, hits = found.consensus, found.hits
    name = agreed.label if agreed.taxon is None else str(agreed.taxon)
    said = "no consensus" if name is None else f"consensus: {name} ({agreed.share:.2f} of the score)"
    lines = [f"{counted(len(hits), 'hit')}, {said}", *found.notes]
    more = f"{len(hits) - MOST:,} more hits are in .hits" if len(hits) > MOST else ""
    paragraphs = "".join(f"<p>{escape(shown(line))}</p>" for line in lines)
    return f"<div>{paragraphs}{pictures(map(_of_hit, hits), more=more)}</div>"


def page_cell(page: str, height: int = 620) -> str:
    """A whole page in a frame of its own, which may run its scripts and reach nothing of the notebook.

    >>> page_cell("<p>a</p>", 90)
    '<iframe srcdoc="&lt;p&gt;a&lt;/p&gt;" sandbox="allow-scripts" ...height:90px...></iframe>'
    """
    return f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" style="width:100%;height:{height}px;border:0"></iframe>'


def _of_hit(hit: Hit) -> Shown:
    return Shown(hit.uri, (f"{hit.position}. {hit.score:.3f}", *_name(hit.taxon, hit.label)))


def _name(taxon: Taxon | None, label: object) -> tuple[str, ...]:
    name = label if taxon is None else taxon.name
    return () if name in (None, "") else (str(name),)


def _tile(one: Shown) -> str:
    place = one.uri.rpartition("/")[2]
    if (file := local_file(one.uri)) is None:
        image = f"{place} is on no disk of this machine"
    elif not Path(file).is_file():
        image = f"{place} is not there"
    else:
        try:
            source = photograph(one.uri, SIDE)
        except (InputError, OSError) as error:
            image = f"{place} cannot be shown: {error}"
        else:
            return _figure(f'<img src="{source}" alt="{escape(shown(place))}">', one)
    return _figure(f'<span style="{_PLAIN}">{escape(shown(image))}</span>', one)


def _figure(image: str, one: Shown) -> str:
    lines = "<br>".join(escape(shown(line)) for line in one.lines)
    return f'<figure style="{_TILE}">{image}<figcaption>{lines}</figcaption></figure>'
