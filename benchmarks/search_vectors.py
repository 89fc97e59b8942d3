"""Vectors to search, made once: crops of photographs through an encoder, and a million about them; the other search benchmarks read them.

    python benchmarks/search_vectors.py ../shared/data/organisms/metadata.csv --cache ../bench-data

A *view* of a picture is a crop of 50 to 100 % of its sides, every second one mirrored, then reduced to 40 to 100 %; view 0 is the
whole picture. Views of the gallery lie in `CACHE/organisms/view-NNN.npy`, one file a view of every gallery picture, so that a run
that was stopped goes on and the first n rows are a gallery of any size. 1,000 pictures are kept out with all their views: the
queries (`queries.npy`) are views of them alone, the whole picture and one crop. `texts.npy` are the names of the gallery's taxa
through the encoder's text side. The encoder computes in bf16, as on a GPU, which is twice as fast here; its card says so.

`--million` adds `perturbed.npy`, which is NOT real: each row is a real row moved along the difference of two real rows of one
class (species, or the finest taxon named), scaled to unit length. Its rows carry 50,000 species of a taxonomy; species that stand
together in the tree are given to pictures that do.

`store_of` makes a store of the first n rows, by `cladescope.import_vectors`' own code, with the labels, a column `draw` (uniform
in 0 to 1: `draw < 0.001` is a filter of 0.1 %), and the picture as observation.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from PIL import Image

from cladescope.arrays import blocks, normalise
from cladescope.embedding.encoder import Encoder
from cladescope.taxonomy import RANKS

HELD_OUT = 1000
QUERY_VIEWS = 2
N_SPECIES = 50_000
MILLION = 1_000_000
BATCH = 64
LABELS = (*RANKS, "common_name")


class Data(NamedTuple):
    """A gallery and the queries from outside it."""

    vectors: np.ndarray
    """float16, (n, d), unit length but for rounding."""
    queries: np.ndarray
    """float32, (q, d): views of pictures that the gallery has no view of."""
    texts: np.ndarray
    """float32, (t, d): names of taxa."""
    rows: pa.Table
    """image_id, uri, observation_id, ranks, common_name and draw of each vector."""


def load(cache: Path, n: int) -> Data:
    """The first n real rows, or a million perturbed ones, with the queries; 2 n d bytes (a million is mapped, not read)."""
    folder = cache / "organisms"
    pictures = pq.read_table(folder / "pictures.parquet")
    if n > (held := len(view_files(folder)) * pictures.num_rows):
        path = folder / "perturbed.npy"
        if n > MILLION or not path.exists():
            raise SystemExit(f"{folder} holds {held:,} real vectors, and {n:,} are asked for: run search_vectors.py")
        vectors, rows = np.load(path, mmap_mode="r")[:n], pq.read_table(folder / "perturbed.parquet").slice(0, n)
    else:
        n_views = -(-n // pictures.num_rows)
        vectors = np.concatenate([np.load(path) for path in view_files(folder)[:n_views]])[:n]
        rows = view_rows(pictures, n_views).slice(0, n)
    return Data(vectors, np.load(folder / "queries.npy"), np.load(folder / "texts.npy"), rows)


def view_files(folder: Path) -> list[Path]:
    """The views that are there, in order."""
    return sorted(folder.glob("view-*.npy"))


def view_rows(pictures: pa.Table, n_views: int) -> pa.Table:
    """Labels of all views, view by view."""
    n = pictures.num_rows * n_views
    numbers = np.arange(n)
    files = pa.concat_arrays([pictures["file"].combine_chunks()] * n_views)
    view = pa.array(numbers // pictures.num_rows).cast(pa.string())
    columns = {
        "image_id": pc.binary_join_element_wise(files, view, "?view="),
        "uri": pc.binary_join_element_wise("/pictures", files, view, "/"),
        "observation_id": files,
        **{name: pa.concat_arrays([pictures[name].combine_chunks()] * n_views) for name in LABELS},
        "draw": pa.array(np.random.default_rng(1).random(n)),
    }
    return pa.table(columns)


def split(manifest: Path) -> tuple[pa.Table, pa.Table]:
    """Pictures of the gallery and those that are kept out, of a CSV as `organisms/metadata.csv`; empty labels are null."""
    options = pa.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    table = pa.csv.read_csv(manifest, convert_options=options).select(["file", *LABELS])
    order = np.random.default_rng(0).permutation(table.num_rows)
    return table.take(np.sort(order[HELD_OUT:])), table.take(np.sort(order[:HELD_OUT]))


def view_of(path: Path, seed: tuple[int, int]) -> Image.Image:
    """One view of a picture; `seed` is the picture's number and the view's."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if seed[1] == 0:
        return picture
    generator = np.random.default_rng(seed)
    width, height = (max(32, round(side * generator.uniform(0.5, 1))) for side in picture.size)
    left, upper = (
        int(generator.integers(0, max(1, side - cut + 1)))
        for side, cut in zip(picture.size, (width, height), strict=False)
    )
    picture = picture.crop((left, upper, left + width, upper + height))
    if generator.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = generator.uniform(0.4, 1)
    return picture.resize(tuple(max(32, round(side * scale)) for side in picture.size))


def embed(pictures: list[tuple[Path, tuple[int, int]]], encoder: Encoder) -> np.ndarray:
    """float32 vectors of views; a batch is one thread's, which on cores that others use too is faster than sharing it."""
    torch.set_num_threads(1)

    def vectors(span: tuple[int, int]) -> np.ndarray:
        views = [encoder.transform.apply(view_of(*one)) for one in pictures[slice(*span)]]
        return encoder.encode_pixels(np.stack(views))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(vectors, blocks(len(pictures), size=BATCH))))


def make_real(manifest: Path, folder: Path, encoder_name: str, n_views: int) -> None:
    """Embed what is not there yet: queries, texts, then view by view."""
    encoder = Encoder.load(encoder_name, precision="bf16")
    gallery, kept_out = split(manifest)
    pq.write_table(gallery, folder / "pictures.parquet")
    numbered = partial(_numbered, manifest.parent)
    if not (folder / "texts.npy").exists():
        _save(
            folder / "queries.npy", np.concatenate([embed(numbered(kept_out, v), encoder) for v in range(QUERY_VIEWS)])
        )
        pq.write_table(kept_out, folder / "held-out.parquet")
        names = sorted(
            {name for column in (*RANKS, "common_name") for name in gallery[column].unique().to_pylist() if name}
        )
        pq.write_table(pa.table({"text": names}), folder / "texts.parquet")
        _save(
            folder / "texts.npy",
            np.concatenate([encoder.encode_texts(names[i : i + 256]) for i in range(0, len(names), 256)]),
        )
    for view in range(len(view_files(folder)), n_views):
        began = time.perf_counter()
        vectors = embed(numbered(gallery, view), encoder)
        _save(folder / f"view-{view:03}.npy", vectors.astype(np.float16))
        rate = len(vectors) / (time.perf_counter() - began)
        print(f"view {view + 1} of {n_views}: {rate:.0f} a second", flush=True)


def _numbered(folder: Path, pictures: pa.Table, view: int) -> list[tuple[Path, tuple[int, int]]]:
    return [(folder / name, (number, view)) for number, name in enumerate(pictures["file"].to_pylist())]


def _save(path: Path, vectors: np.ndarray) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, vectors)
    part.replace(path)


def make_million(folder: Path, taxonomy: Path) -> None:
    """`perturbed.npy` and its labels from all real rows; see the module."""
    pictures = pq.read_table(folder / "pictures.parquet")
    vectors = np.concatenate([np.load(path) for path in view_files(folder)])
    n_pictures, n_views = pictures.num_rows, len(view_files(folder))
    generator = np.random.default_rng(2)
    paths = [tuple(row[name] or "" for name in LABELS) for row in pictures.select(LABELS).to_pylist()]
    classes = np.unique(np.array(["/".join(path) for path in paths]), return_inverse=True)[1]
    members = [np.flatnonzero(classes == one) for one in range(classes.max() + 1)]
    made = np.lib.format.open_memmap(folder / "perturbed.part", "w+", np.float16, (MILLION, vectors.shape[1]))
    chosen = np.arange(MILLION) % n_pictures
    for start, stop in blocks(MILLION, size=65536):
        pairs = np.stack([generator.choice(members[classes[one]], 2) for one in chosen[start:stop]])
        views = generator.integers(0, n_views, (stop - start, 3))
        real, first, second = (
            vectors[views[:, i] * n_pictures + picture].astype(np.float32)
            for i, picture in enumerate((chosen[start:stop], pairs[:, 0], pairs[:, 1]))
        )
        step = generator.uniform(0.2, 0.6, (stop - start, 1)).astype(np.float32)
        made[start:stop] = normalise(real + step * (first - second)).astype(np.float16)
    (folder / "perturbed.part").replace(folder / "perturbed.npy")
    species = pq.read_table(taxonomy).select(LABELS)
    species = species.take(np.sort(generator.choice(species.num_rows, N_SPECIES, replace=False)))
    species = species.sort_by([(rank, "ascending") for rank in RANKS])
    place = np.empty(n_pictures, np.int64)
    place[sorted(range(n_pictures), key=paths.__getitem__)] = np.arange(n_pictures)
    # A picture has some ten species that stand together in the tree; which one, changes with each of its rows.
    per_picture = N_SPECIES / n_pictures
    taxon = (place[chosen] * per_picture + generator.random(MILLION) * per_picture).astype(np.int64)
    labels = species.take(np.minimum(taxon, N_SPECIES - 1))
    numbers = pa.array(np.arange(MILLION)).cast(pa.string())
    columns = {
        "image_id": numbers,
        "uri": pc.binary_join_element_wise("/perturbed", numbers, "/"),
        "observation_id": pictures["file"].take(pa.array(chosen)),
        **{name: pc.if_else(pc.equal(labels[name], ""), None, labels[name]).cast(pa.string()) for name in LABELS},
        "draw": pa.array(np.random.default_rng(1).random(MILLION)),
    }
    pq.write_table(pa.table(columns), folder / "perturbed.parquet")


def store_of(cache: Path, n: int, encoder_name: str = "tiny") -> Path:
    """A store of the first n rows, made where it is not there; the time is that of an import."""
    from cladescope.embedding.sources.vector_file import open_vectors
    from cladescope.index.importing import import_vectors
    from cladescope.index.store import Store

    path = cache / f"store-{n}"
    if path.exists():
        return path
    data = load(cache, n)
    table = cache / f"rows-{n}.parquet"
    with pq.ParquetWriter(table, data.rows.schema.append(pa.field("vector", pa.list_(pa.float32())))) as writer:
        for rows in _with_vectors(data):
            writer.write_table(rows)
    making = cache / f"store-{n}.making"
    began = time.perf_counter()
    store = Store.open_or_create(making, Encoder.load(encoder_name, precision="bf16").card)
    import_vectors(open_vectors(str(table)), store)
    print(f"imported {store.count():,} rows in {time.perf_counter() - began:.1f} s", flush=True)
    table.unlink()
    making.rename(path)
    return path


def _with_vectors(data: Data) -> Iterator[pa.Table]:
    for start, stop in blocks(len(data.vectors), size=50_000):
        vectors = data.vectors[start:stop].astype(np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        yield data.rows.slice(start, stop - start).append_column("vector", column.cast(pa.list_(pa.float32())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="a CSV with a column file, the ranks and common_name")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder outside the project where the vectors are kept"
    )
    parser.add_argument("--encoder", default="tiny", help="default: %(default)s")
    parser.add_argument("--views", type=int, default=40, help="views of each gallery picture (default: %(default)s)")
    parser.add_argument(
        "--million", type=Path, metavar="TAXONOMY", help="also make the perturbed million, with taxa of this Parquet"
    )
    parser.add_argument("--stores", type=int, nargs="*", default=(), metavar="N", help="also make stores of N rows")
    options = parser.parse_args()
    folder = options.cache / "organisms"
    folder.mkdir(parents=True, exist_ok=True)
    make_real(options.manifest, folder, options.encoder, options.views)
    if options.million and not (folder / "perturbed.parquet").exists():
        make_million(folder, options.million)
    for n in options.stores:
        store_of(options.cache, n, options.encoder)


if __name__ == "__main__":
    main()
