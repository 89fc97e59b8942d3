"""Samples a second of a curation's shards against webdataset's own `ShardWriter`, which writes the same samples.

python benchmarks/write_shards.py --pictures 2000 --side 640

Both sides get the same simulated photographs, the same texts and the same JPEG work: decode, squash to 224 pixels by Pillow's bicubic, JPEG of quality 100; with `own bytes`
each picture is decoded, and its bytes go in as they are. `webdataset` does this in a loop, as its documentation has it, and encodes by Pillow as its handler of `jpg` does;
`curation` with one and with two workers. What webdataset writes is compared with ours, member for member. Medians of three.
"""

import argparse
import io
import shutil
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset as wds
from PIL import Image

from cladescope.embedding.decode import MIN_SIDE, decode
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.job import Job
from cladescope.training.curation.out.shards import write_all
from cladescope.training.curation.sections import OutConfig
from cladescope.training.data.shard_sample import texts_of

TAXON = ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Vanessa", "Vanessa atalanta")
PER_SHARD = 500


def photographs(folder: Path, n: int, side: int) -> list[dict[str, object]]:
    """Smooth noise as JPEG, about as large as photographs of the web; the columns of a plan."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for number in range(n):
        small = Image.fromarray(rng.integers(0, 256, (side // 8, side * 3 // 32, 3), dtype=np.uint8))
        path = folder / f"{number}.jpg"
        small.resize((side * 3 // 4, side), Image.Resampling.BICUBIC).save(path, quality=90)
        key = f"{number:032x}"
        row = {
            "id": key, "source": "made", "image_id": str(number), "picture_at": str(path), "shard": None, "offset": 0, "size": 0,
            "content_hash": blake2b(path.read_bytes(), digest_size=16).hexdigest(), "common_name": "Red Admiral", **dict(zip(RANKS, TAXON, strict=True)),
            "licence": "CC BY 4.0", "rights_holder": "Jane Roe", "observation_id": f"o{number}",
            **dict.fromkeys(("source_url", "specimen_id", "title", "publisher")),
        }  # fmt: skip
        rows.append(row)
    return rows


def plan(folder: Path, rows: list[dict[str, object]]) -> Path:
    """The rows as the plan of a curation."""
    (folder / "train").mkdir(parents=True)
    for number, start in enumerate(range(0, len(rows), PER_SHARD)):
        pq.write_table(
            pa.Table.from_pylist(rows[start : start + PER_SHARD]), folder / "train" / f"shard-{number:06d}.parquet"
        )
    return folder


def job(size: int, workers: int) -> Job:
    """A curation that writes such shards; its folder is not used."""
    return Job(CurateConfig(workers=workers, out=OutConfig(size=size)), Path("unused"))


def by_webdataset(rows: list[dict[str, object]], out: Path, size: int) -> None:
    """The same samples through `ShardWriter`."""
    out.mkdir(parents=True)
    with wds.ShardWriter(f"{out}/shard-%06d.tar", maxcount=PER_SHARD, verbose=0) as writer:
        for row in rows:
            content = Path(str(row["picture_at"])).read_bytes()
            picture = decode(content, min_side=None if size else MIN_SIDE).image
            if size:
                buffer = io.BytesIO()
                picture.resize((size, size), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=100)
                content = buffer.getvalue()
            texts = texts_of(Taxon(TAXON), "Red Admiral")
            beside = {
                "source": "made",
                "source_id": row["image_id"],
                "observation_id": row["observation_id"],
                "licence": "CC BY 4.0",
                "rights_holder": "Jane Roe",
                "common_name": "Red Admiral",
            }
            writer.write({"__key__": row["id"], "jpg": content, "json": beside, **texts, "txt": texts["sci_com.txt"]})


def contents(folder: Path) -> dict[str, bytes]:
    """Every member of every shard but the sidecars, whose blanks differ."""
    found = {}
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                if not member.name.endswith(".json"):
                    stream = archive.extractfile(member)
                    found[member.name] = stream.read() if stream else b""
    return found


def seconds(act: Callable[[Path], None], out: Path) -> float:
    """Time of one go into a new folder."""
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    act(out)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--side", type=int, default=640)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        rows = photographs(folder / "in", asked.pictures, asked.side)
        made = plan(folder / "plan", rows)
        print(
            f"{asked.pictures} pictures of {asked.side * 3 // 4} x {asked.side}, {sum(one.stat().st_size for one in (folder / 'in').iterdir()) / asked.pictures / 1000:.0f} kB each"
        )
        print(
            "| pictures | webdataset | curation, 1 worker | ratio | curation, 2 workers | ratio |\n| --- | --- | --- | --- | --- | --- |"
        )
        for size, words in ((224, "224 pixels"), (0, "own bytes")):
            ways: dict[str, Callable[[Path], None]] = {
                "webdataset": lambda out, size=size: by_webdataset(rows, out / "shards" / "train", size),
                "1": lambda out, size=size: write_all(job(size, 1), made, out / "shards", out / "done"),
                "2": lambda out, size=size: write_all(job(size, 2), made, out / "shards", out / "done"),
            }
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(3):
                for way, act in ways.items():
                    times[way].append(seconds(act, folder / way))
            assert contents(folder / "webdataset") == contents(folder / "2") == contents(folder / "1"), (
                "the shards differ"
            )
            rate = {way: asked.pictures / statistics.median(all_times) for way, all_times in times.items()}
            print(
                f"| {words} | {rate['webdataset']:.0f}/s | {rate['1']:.0f}/s | {rate['1'] / rate['webdataset']:.2f} | {rate['2']:.0f}/s | {rate['2'] / rate['webdataset']:.2f} |"
            )


if __name__ == "__main__":
    main()
