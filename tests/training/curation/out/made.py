"""A small curation whose stages are made up, with pictures on disk, for tests of what is written."""

import json
import uuid
from dataclasses import replace
from hashlib import blake2b, md5
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cladescope.taxonomy import RANKS
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import OutConfig, SourceConfig
from tests.embedding.encoding import encode
from tests.training.curation.tables import put_stages

TIT = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")
OAK = ("Plantae", "Tracheophyta", None, "Fagales", "Fagaceae", "Quercus", None)
ADMIRAL = ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Vanessa", "Vanessa Atalanta")
SPLITS = ("train", "train", "val", "test", "test_species")


def rows_of(folder: Path, n: int = 24) -> list[dict[str, Any]]:
    """Records of two sources in turn, each with a picture of its own in `folder`; every sixth is dropped, for one of two reasons."""
    rows = []
    for number in range(n):
        source = ("birds", "museum")[number % 2]
        colour = tuple(np.random.default_rng(number).integers(0, 256, 3).tolist())
        content = encode(Image.new("RGB", (60, 40), colour), "JPEG")
        path = folder / source / "sub" / f"p{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        taxon = (TIT, OAK, ADMIRAL)[number % 3]
        dropped = (
            None if number % 6 != 5 else ("screen: licence forbids (by-nd)", "single: shows the same")[number // 6 % 2]
        )
        web = number % 8 == 0
        rows.append({
            "row": number, "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{number}")), "source": source, "record": number // 2,
            "image_id": f"sub/p{number}", "uri": f"https://a.org/{number}.jpg" if web else str(path), "picture_at": str(path), "dropped": dropped,
            **dict(zip(RANKS, taxon, strict=True)), **{f"written_{rank}": name for rank, name in zip(RANKS, taxon, strict=True)},
            "common_name": "great tit" if taxon is TIT else None, "common_name_from": "backbone" if taxon is TIT else None,
            "observation_id": f"o{number // 3}", "licence": (None, "CC BY 4.0", "CC0")[number % 3], "licence_kind": (None, "by", "cc0")[number % 3],
            "rights_holder": ("Jane <Roe>", None)[number % 2], "title": f"picture | {number}", "publisher": "Museum" if source == "museum" else None,
            "basis_of_record": "HUMAN_OBSERVATION", "raw": json.dumps({"file": f"p{number}.jpg", "n": number}),
            "content_hash": blake2b(content, digest_size=16).hexdigest(), "md5": md5(content).hexdigest(), "n_bytes": len(content), "width": 60, "height": 40,
            "kind": ("live", "specimen", None)[number % 3], "people": ["person"] if number == 1 else None, "cluster": number // 2,
            "duplicate_of": number - 1 if dropped == "single: shows the same" else None, "unit": number // 3,
            "split": None if dropped else SPLITS[number % 5], "is_train_small": not dropped and number % 5 == 0,
            "taxon_match": "exact", "source_url": f"https://b.org/{number}" if number % 2 else None,
        })  # fmt: skip
    return rows


def job_of(
    folder: Path,
    out: Path,
    *,
    n: int = 24,
    part_rows: int = 7,
    workers: int = 2,
    about: dict[str, Any] | None = None,
    **settings: Any,
) -> Job:
    """A job with these records, in parts of `part_rows`; `settings` are those of `[out]`."""
    sources = tuple(SourceConfig(name=name, path=str(folder / name)) for name in ("birds", "museum"))
    config = CurateConfig(
        title="Birds & <b>oaks</b>",
        sources=sources,
        workers=workers,
        about=about or {},
        out=OutConfig(**{"samples_per_shard": 4, "size": 32, **settings}),
    )
    return put_stages(config, out, rows_of(folder, n), part_rows=part_rows)


def with_out(job: Job, **settings: Any) -> Job:
    """The same job with other settings of `[out]`."""
    return Job(replace(job.config, out=replace(job.config.out, **settings)), job.out, part_rows=job.part_rows)
