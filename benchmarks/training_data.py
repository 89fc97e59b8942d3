"""What the data of training cost: memory of a process a picture, time to start from shards with and without their indexes, reading in order.

python benchmarks/training_data.py --rows 5000000 --shards 40 --pictures 500

`memory`: --rows synthetic pictures (ids of 32 digits, in shards of 100,000, --taxa taxa) as `Examples`. `lists` are columns as Python lists, which is how they were kept before;
`columns` the Arrow arrays that loading makes; `mapped` a process that opens the files that another wrote, and goes once through classes,
ids and places. Each is a process of its own; `private` is what it has alone (`Private_Dirty` and `Private_Clean` of smaps_rollup, without what it
had before it held a picture), `shared` what it maps together with others. The last column is the private memory of 110 million pictures.

`start`: --shards shards of --pictures small pictures each are written, and loaded as for training: each shard walked and its texts read, which
is how all was done before; the same when the indexes are written; and with the indexes. Medians of --rounds.

`read`: the same shards once through, encoded pictures only: in random order with an open file for each, and as a stream.
"""

import argparse
import gc
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from side_by_side import in_turn, machine, print_table, seconds

from cladescope.taxonomy import Taxon
from cladescope.training.data import shard_records
from cladescope.training.data.columns import AddressColumn, CodedColumn, SpanColumn, TextColumn
from cladescope.training.data.examples import Examples, load_examples
from cladescope.training.data.examples_file import open_examples, write_examples
from cladescope.training.data.shard_records import ENDING
from cladescope.training.data.shard_writer import write_shards
from cladescope.training.data.stream import ShardedRows

SHARD_ROWS = 100_000
WHOLE = 110_000_000


def synthetic(n: int, n_taxa: int) -> Examples:
    """Pictures of shards that are nowhere."""
    rng = np.random.default_rng(0)
    shards = -(-n // SHARD_ROWS)
    beginnings = CodedColumn[str](
        np.repeat(np.arange(shards, dtype=np.int32), SHARD_ROWS)[:n],
        [f"/data/treeoflife/shards/shard-{shard:06d}.tar#" for shard in range(shards)],
    )
    high, low = (pl.Series(rng.integers(0, 2**63, n)) for _ in range(2))
    ids = pl.select(
        (high.cast(pl.String).str.slice(0, 16) + low.cast(pl.String).str.slice(0, 16)).str.pad_start(32, "0")
    ).to_series()
    taxa = [
        Taxon(
            (
                "Animalia",
                "Arthropoda",
                "Insecta",
                "Lepidoptera",
                "Nymphalidae",
                f"Vanessa{code // 9}",
                f"Vanessa{code // 9} species{code}",
            )
        )
        for code in range(n_taxa)
    ]
    taxon = (n_taxa * rng.random(n) ** 3).astype(np.int32)
    few = CodedColumn[str](np.zeros(n, np.int32), ["treeoflife"])
    return Examples(
        image_ids=TextColumn(_large(ids)),
        uris=AddressColumn(beginnings, TextColumn(_large(ids + ".jpg"))),
        taxa=CodedColumn[Taxon](taxon, taxa),
        common_names=CodedColumn[str | None](taxon, [f"common name {code}" for code in range(n_taxa)]),
        groups=TextColumn(pa.chunked_array([pa.nulls(n, pa.large_string())])),
        sources=few,
        licences=few,
        spans=SpanColumn(beginnings, np.arange(n, dtype=np.int64) % SHARD_ROWS * 30_000, np.full(n, 25_000, np.int64)),
    )


def _large(values: pl.Series) -> pa.ChunkedArray:
    return pa.chunked_array([values.to_arrow().cast(pa.large_string())])


def as_lists(examples: Examples) -> Examples:
    """Every column as a list of Python's."""
    taxa = examples.spelt_taxa
    return Examples(
        list(examples.image_ids), list(examples.uris), tuple(taxa.values[code] for code in taxa.codes), list(examples.common_names), list(examples.groups),
        list(examples.sources), list(examples.licences), list(examples.spans),
    )  # fmt: skip


def own_bytes() -> tuple[int, int]:
    """Bytes that this process has alone, and those that it shares."""
    found = dict.fromkeys(("Private_Dirty", "Private_Clean", "Shared_Clean", "Shared_Dirty"), 0)
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name = line.partition(":")[0]
        if name in found:
            found[name] = int(line.split()[1]) * 1024
    return found["Private_Dirty"] + found["Private_Clean"], found["Shared_Clean"] + found["Shared_Dirty"]


def through(examples: Examples) -> None:
    """Touch every byte of classes, ids and places, as an epoch does."""
    examples.classes().sum()
    if isinstance(examples.image_ids, TextColumn) and isinstance(examples.spans, SpanColumn):
        for chunk in examples.image_ids.values.chunks:
            for buffer in chunk.buffers()[1:]:
                np.frombuffer(buffer, np.uint8).max()
        examples.spans.offsets.sum()
        examples.spans.sizes.sum()


def measured(kind: str, n: int, n_taxa: int, folder: str, found: "multiprocessing.Queue[tuple[int, int]]") -> None:
    """Put the bytes of one way to hold examples into the queue."""
    before, shared_before = own_bytes()
    if kind == "mapped":
        examples = open_examples(Path(folder))
    elif kind == "columns":
        examples = synthetic(n, n_taxa)
    else:
        examples = as_lists(synthetic(n, n_taxa))
    through(examples)
    gc.collect()
    pa.default_memory_pool().release_unused()
    after, shared = own_bytes()
    found.put((after - before, shared - shared_before))


def written(n: int, n_taxa: int, folder: str) -> None:
    write_examples(synthetic(n, n_taxa), Path(folder))


def apart(task: Callable[..., None], *arguments: object) -> None:
    """Run something in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=task, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, task


def memory(options: argparse.Namespace, folder: Path) -> None:
    """The table of `memory`."""
    rows = []
    (folder / "examples").mkdir()
    apart(written, options.rows, options.taxa, str(folder / "examples"))
    # Another process has the files open, so that what is mapped counts as shared, as it is in training.
    other = open_examples(folder / "examples")
    through(other)
    for kind in ("lists", "columns", "mapped"):
        n = min(options.rows, options.list_rows) if kind == "lists" else options.rows
        queue = multiprocessing.get_context("spawn").Queue()
        apart(measured, kind, n, options.taxa, str(folder / "examples"), queue)
        own, shared = queue.get()
        rows.append([kind, f"{n:,}", f"{own / n:.1f}", f"{max(0, shared) / n:.1f}", f"{own / n * WHOLE / 2**30:.1f}"])
    n_bytes = sum(path.stat().st_size for path in (folder / "examples").iterdir())
    print_table(
        [
            "held as",
            "pictures",
            "private bytes a picture",
            "shared bytes a picture",
            f"GiB of {WHOLE / 1e6:.0f} million, private",
        ],
        rows,
    )
    print(f"\nfiles: {n_bytes / options.rows:.1f} bytes a picture\n")
    shutil.rmtree(folder / "examples")


def start(options: argparse.Namespace, folder: Path) -> None:
    """The tables of `start` and `read`."""
    write(folder, options)
    spec = f"{folder}/shards/*.tar"
    indexes = sorted((folder / "shards").glob(f"*{ENDING}"))

    def walked() -> float:
        def one(shard: str) -> tuple[pa.Table, str]:
            return shard_records.records_of(shard), "walked"

        from cladescope.training.data import examples

        kept = examples.index_of
        examples.index_of = one
        try:
            return seconds(lambda: load_examples(spec))
        finally:
            examples.index_of = kept

    def made() -> float:
        for path in indexes:
            path.unlink()
        return seconds(lambda: load_examples(spec))

    times = in_turn(
        {"walked": walked, "indexes made": made, "indexes read": lambda: seconds(lambda: load_examples(spec))},
        rounds=options.rounds,
    )
    n = len(load_examples(spec))
    rows = [
        [name, f"{n:,}", f"{took:.3f}", f"{took / n * 1e6:.2f}", f"{took / n * WHOLE / 60:.1f}"]
        for name, took in times.items()
    ]
    print_table(["start", "pictures", "s", "µs a picture", f"min for {WHOLE / 1e6:.0f} million"], rows)
    print()
    examples = load_examples(spec)
    order = np.random.default_rng(0).permutation(n)

    def streamed() -> None:
        plan = ShardedRows.of(examples, np.arange(n)).epoch(seed=0, epoch=0, buffer=5000, at_once=4)
        with plan.arriving(examples, start=0, ahead=512) as coming:
            for position in range(n):
                coming.take(position)

    reads = in_turn(
        {
            "random": lambda: seconds(lambda: [examples.read(row) for row in order.tolist()]),
            "stream": lambda: seconds(streamed),
        },
        rounds=options.rounds,
    )
    print_table(
        ["read", "pictures", "s", "µs a picture"],
        [[name, f"{n:,}", f"{took:.3f}", f"{took / n * 1e6:.1f}"] for name, took in reads.items()],
    )


def write(folder: Path, options: argparse.Namespace) -> None:
    """Shards of small pictures."""
    from PIL import Image

    pictures = folder / "pictures"
    pictures.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(
        pictures / "one.jpg", quality=95
    )
    n = options.shards * options.pictures
    taxa = tuple(
        Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", f"Parus minor{row % 200}"))
        for row in range(n)
    )
    listed = Examples(
        [f"{row:032x}" for row in range(n)], [str(pictures / "one.jpg")] * n, taxa, [f"tit {row % 200}" for row in range(n)], [None] * n, ["made"] * n,
        [None] * n, [None] * n,
    )  # fmt: skip
    write_shards(listed, folder / "shards", max_count=options.pictures, workers=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000, help="default: %(default)s")
    parser.add_argument(
        "--list-rows", type=int, default=1_000_000, help="rows of the lists at most; default: %(default)s"
    )
    parser.add_argument("--taxa", type=int, default=50_000, help="default: %(default)s")
    parser.add_argument("--shards", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--pictures", type=int, default=500, help="of a shard; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args()
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as name:
        memory(options, Path(name))
        start(options, Path(name))


if __name__ == "__main__":
    main()
