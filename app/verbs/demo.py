"""The demo: simulated clades, embedded, indexed and searched, with every command shown."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.audit.contact_sheet import draw_answer
from cladescope.analysis.likeness import likeness_of_store
from cladescope.analysis.measures import neighbours
from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.build_index import build_index
from cladescope.app.verbs.embed import embed
from cladescope.app.verbs.search import search
from cladescope.app.verbs.simulate import simulate
from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder
from cladescope.errors import StoreError
from cladescope.index.gallery import Gallery
from cladescope.index.hits import SearchResult
from cladescope.index.store import Store
from cladescope.paths import local_path
from cladescope.taxonomy import RANKS

SPECIES, IMAGES, SEED, K = 60, 10, 0, 10
KIND = "hnsw"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    pictures: Path
    store: Path
    sheet: Path
    n_images: int
    query: Path
    answer: SearchResult
    agreement: dict[str, float]
    """For each rank: share of pictures whose nearest other picture is of the same taxon."""
    seconds: float


@checked
def demo(out: str | Path = "demo", *, workers: int = 1, say: Callable[[str], None] | None = None) -> DemoResult:
    """Simulate organisms, embed, index and search them in a folder; it may hold an earlier demo.

    `say` receives one line per step: the command that does the same. With several `workers` (processes), call it under
    `if __name__ == "__main__":`.

    Raises StoreError if the folder holds a demo of another encoder or cannot be written.

    >>> import cladescope
    >>> cladescope.demo("demo").agreement["species"]      # doctest: +SKIP
    """
    tell = say or _silent
    began, folder = time.monotonic(), local_path(out)
    pictures, store_path, sheet = folder / "clades", folder / "clades.store", folder / "hits.png"
    tell(f"$ cladescope simulate {pictures} --species {SPECIES} --images {IMAGES}")
    manifest = simulate(pictures, species=SPECIES, images=IMAGES, seed=SEED, workers=workers)
    tell(f"$ cladescope embed {manifest} --store {store_path} --encoder {DEFAULT_ENCODER}")
    encoder = Encoder.load(DEFAULT_ENCODER)
    if (store_path / "store.json").exists() and Store.open(store_path).card.difference(encoder.card):
        raise StoreError(
            f"{store_path} is of an earlier demo with another encoder: delete it, or choose another folder"
        )
    summary = embed(manifest, store_path, encoder=encoder)
    tell(f"  embedded {summary.embedded:,}, already stored {summary.already_stored:,}, failed {summary.failed:,}")
    store = Store.open(store_path)
    tell(f"$ cladescope index {store_path} --kind {KIND}")
    card = build_index(store, kind=KIND)
    assert card is not None  # it was asked for
    tell(f"  {card.n_vectors:,} vectors, ann_recall@10 {card.ann_recall['10']:.3f}")
    query = sorted(pictures.glob("images/*/*.jpg"))[0]
    tell(f"$ cladescope search {store_path} --image {query} --sheet {sheet}")
    answer = search(store, query, k=K, keep_query=False)
    draw_answer(answer, sheet, queries=[str(query)], likeness=likeness_of_store(store))
    agreement = nearest_agreement(store)
    return DemoResult(pictures, store_path, sheet, store.count(), query, answer, agreement, time.monotonic() - began)


def _silent(line: str) -> None:
    """Nobody listens."""


def nearest_agreement(store: Store) -> dict[str, float]:
    """For each rank, the share of stored pictures whose nearest other picture is of the same taxon; 12 n d bytes.

    Pictures without the rank do not count; a rank that no picture has is left out.
    """
    gallery = Gallery.of_store(store)
    table = pa.Table.from_batches(store.scan(["_rowid", *RANKS]))
    rows = table.column("_rowid").to_numpy().astype(np.int64)
    order = np.argsort(rows)
    names = table.take(order[np.searchsorted(rows, gallery.keys, sorter=order)])
    codes = [names.column(rank).combine_chunks().dictionary_encode().indices.fill_null(-1) for rank in RANKS]
    shares = neighbours.nearest_agreement(gallery.vectors, np.stack(codes, axis=1))
    return {rank: float(share) for rank, share in zip(RANKS, shares, strict=True) if not np.isnan(share)}
