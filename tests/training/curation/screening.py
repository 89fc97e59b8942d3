"""Records that are screened, for tests of what is dropped."""

import pyarrow as pa

from cladescope.taxonomy import RANKS
from cladescope.training.curation.config import load_config
from cladescope.training.curation.job import Job
from cladescope.training.curation.screen import screen
from tests.training.curation.tables import put_stage

TIT = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")
BIRD = ("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe", "Oenanthe oenanthe")
HERB = ("Plantae", "Tracheophyta", "Magnoliopsida", "Apiales", "Apiaceae", "Oenanthe", "Oenanthe crocata")


def record(number, taxon=TIT, written=None, **more):
    """A record, as the stages before have it."""
    return {
        "id": f"u{number}", "source": "a", "record": number, "image_id": f"i{number}", "uri": f"/p/{number}.jpg", "raw": "{}",
        **dict(zip(RANKS, taxon, strict=False)),
        **{f"written_{rank}": name for rank, name in zip(RANKS, written or taxon, strict=False)},
        **more,
    }  # fmt: skip


def screened(folder, text, records, *, part_rows=3, out="out"):
    """What the stage leaves of these records, and its job; `text` is the configuration beside its sources."""
    (folder / "tree.toml").write_text(
        f'[[sources]]\nname = "a"\npath = "."\n[[sources]]\nname = "b"\npath = "."\n{text}'
    )
    job = Job(load_config(folder / "tree.toml"), folder / out, part_rows=part_rows)
    rows = [{**one, "dropped": None} for one in records]
    put_stage(job, "gather", rows)
    put_stage(job, "names", records)
    screen(job)
    return job, pa.concat_tables([table.unify_dictionaries() for table in job.scan("screen")]).to_pylist()


def reasons(rows):
    return [row["dropped"] and row["dropped"].removeprefix("screen: ") for row in rows]
