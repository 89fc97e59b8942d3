"""The demo: simulated clades, embedded, indexed and searched, with every command shown."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.audit.contact_sheet import draw_answer
from cladescope.analysis.measures import neighbours
from cladescope.embedding.encoder import DEFAULT_ENCODER, Encoder
from cladescope.embedding.pipeline import embed
from cladescope.embedding.sources import open_source
from cladescope.errors import StoreError
from cladescope.index import ann
from cladescope.index.gallery import Gallery
from cladescope.index.hits import SearchResult
from cladescope.index.store import Store
from cladescope.simulation import SimulationConfig, simulate
from cladescope.taxonomy import RANKS

SPECIES, IMAGES, SEED, K = 60, 10, 0, 10


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


def run(out: Path, *, workers: int, say: Callable[[str], None]) -> DemoResult:
    """Run the whole chain in a folder, which may hold an earlier demo; `say` is given a line a step."""
    began = time.monotonic()
    pictures, store_path, sheet = out / "clades", out / "clades.store", out / "hits.png"
    say(f"$ cladescope simulate {pictures} --species {SPECIES} --images {IMAGES}")
    manifest = simulate(pictures, SimulationConfig(species=SPECIES, images=IMAGES, seed=SEED), workers=workers)
    say(f"$ cladescope embed {manifest} --store {store_path} --encoder {DEFAULT_ENCODER}")
    encoder = Encoder.load(DEFAULT_ENCODER)
    if (store_path / "store.json").exists() and Store.open(store_path).card.difference(encoder.card):
        raise StoreError(f"{store_path} is of an earlier demo with another encoder: delete it, or give another --out")
    store = Store.open_or_create(store_path, encoder.card)
    summary = embed(open_source(manifest), encoder, store)
    say(f"  embedded {summary.embedded:,}, already stored {summary.already_stored:,}, failed {summary.failed:,}")
    say(f"$ cladescope index {store_path} --kind {ann.KIND}")
    with store.writing():
        card = ann.build(store)
    say(f"  {card.n_vectors:,} vectors, ann_recall@10 {card.ann_recall['10']:.3f}")
    query = sorted(pictures.glob("images/*/*.jpg"))[0]
    say(f"$ cladescope search {store_path} --image {query} --sheet {sheet}")
    answer = store.search(images=[query], k=K)
    draw_answer(answer, sheet, queries=[str(query)])
    agreement = nearest_agreement(store)
    return DemoResult(pictures, store_path, sheet, store.count(), query, answer, agreement, time.monotonic() - began)


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
