"""Catalogue, provenance, licences, what was dropped, and the counts, each against the records themselves."""

import csv
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.flow import Flow
from cladescope.training.curation.job import Job
from cladescope.training.curation.out.flow_table import flows_of
from cladescope.training.curation.out.write import write
from cladescope.training.curation.places import place_within
from cladescope.training.curation.sections import SourceConfig
from tests.training.curation.out.made import job_of, rows_of
from tests.training.curation.out.test_shards import samples
from tests.training.curation.tables import put_stage, put_stages

TREE_OF_LIFE_200M = [
    "uuid",
    "source_url",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
    "species",
    "scientific_name",
    "common",
    "data_source",
    "publisher",
    "basisOfRecord",
    "img_type",
    "source_id",
    "shard_filename",
    "shard_file_path",
    "base_dataset_file_path",
]
"""Columns of its `catalog.parquet`, as its card has them."""
PROVENANCE = [
    "uuid",
    "source_id",
    "data_source",
    "source_url",
    "license_name",
    "copyright_owner",
    "license_link",
    "title",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished data set: its folder, what `write` said, the records that are in it, and those that are not."""
    folder = tmp_path_factory.mktemp("made") / "it's [2] *"
    found = write(job_of(folder / "in", folder / "out", lance=True))
    rows = rows_of(folder / "in")
    return (
        folder / "out",
        found,
        {row["id"]: row for row in rows if not row["dropped"]},
        [row for row in rows if row["dropped"]],
    )


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_catalogue_has_treeoflifes_columns_and_what_the_records_say(made):
    out, _, kept, _ = made
    table = pq.read_table(out / "catalog.parquet")
    assert {*TREE_OF_LIFE_200M, "split", "is_train_small"} <= {*table.column_names}
    rows = {row["uuid"]: row for row in table.to_pylist()}
    assert rows.keys() == kept.keys()
    for key, row in kept.items():
        one = rows[key]
        assert [one[rank] for rank in ("kingdom", "phylum", "class", "order", "family", "genus")] == [
            row[rank] for rank in ("kingdom", "phylum", "class", "order", "family", "genus")
        ]
        genus, _, rest = (row["species"] or row["genus"]).partition(" ")
        assert (one["species"], one["scientific_name"]) == (rest.lower() or None, f"{genus} {rest.lower()}".strip())
        is_web = row["uri"].startswith("https")
        assert one["source_url"] == (row["uri"] if is_web else row["source_url"])
        assert one["base_dataset_file_path"] == (None if is_web else f"{row['source']}/{row['image_id']}.jpg")
        same = {
            "common": "common_name", "data_source": "source", "publisher": "publisher", "basisOfRecord": "basis_of_record", "img_type": "kind",
            "source_id": "image_id", "split": "split", "is_train_small": "is_train_small", "observation_id": "observation_id",
            "content_hash": "content_hash", "md5": "md5", "width": "width", "height": "height", "cluster": "cluster", "row": "row", "people": "people",
            "taxon_match": "taxon_match", "common_name_from": "common_name_from", "licence": "licence",
        }  # fmt: skip
        assert {name: one[name] for name in same} == {name: row[column] for name, column in same.items()}
        assert key in samples(out / one["shard_file_path"])
        assert one["shard_file_path"] == f"shards/{one['split']}/{one['shard_filename']}"


def test_the_lance_table_is_the_catalogue(made):
    lance = pytest.importorskip("lance")
    out = made[0]
    assert (
        lance.dataset(str(out / "catalog.lance")).to_table().to_pylist()
        == pq.read_table(out / "catalog.parquet").to_pylist()
    )


def test_provenance_and_licences_are_those_of_the_records(made):
    out, _, kept, _ = made
    table = pq.read_table(out / "provenance.parquet")
    assert table.column_names == [*PROVENANCE, "md5"]
    links = {
        "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
        "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
        None: None,
    }
    for one in table.to_pylist():
        row = kept[one["uuid"]]
        assert (one["license_name"], one["copyright_owner"], one["title"], one["md5"]) == (
            row["licence"],
            row["rights_holder"],
            row["title"],
            row["md5"],
        )
        assert one["license_link"] == links[row["licence"]]
    counts = Counter(row["licence"] for row in kept.values())
    found = {
        line["licence"] or None: (line["short_form"], line["address"] or None, int(line["pictures"]))
        for line in lines(out / "licenses.csv")
    }
    kinds = {"CC BY 4.0": "by", "CC0": "cc0", None: ""}
    assert found == {name: (kinds[name], links[name], n) for name, n in counts.items()}


def test_train_small_is_a_list_of_ids_that_are_in_train(made):
    out, found, kept, _ = made
    ids = (out / "train_small.txt").read_text().split()
    assert sorted(ids) == sorted(key for key, row in kept.items() if row["is_train_small"])
    assert {kept[key]["split"] for key in ids} == {"train"}
    assert found["train_small"] == len(ids) > 0


def test_every_record_that_is_not_in_the_data_set_is_told_with_stage_reason_and_what_is_kept(made):
    out, found, kept, dropped = made
    by_row = {row["row"]: row["id"] for row in [*kept.values(), *dropped]}
    expected = [
        {
            "row": row["row"], "id": row["id"], "source": row["source"], "image_id": row["image_id"],
            "uri": row["uri"] if row["uri"].startswith("https") else f"{row['image_id']}.jpg",
            "stage": row["dropped"].split(": ")[0], "reason": row["dropped"].split(": ")[1],
            "duplicate_of": by_row.get(row["duplicate_of"]),
        }
        for row in dropped
    ]  # fmt: skip
    assert pq.read_table(out / "dropped.parquet").to_pylist() == expected
    assert any(one["duplicate_of"] for one in expected)
    assert found["dropped"] == {"screen": 2, "single": 2}
    assert found["pictures"] + sum(found["dropped"].values()) == 24


@pytest.mark.parametrize(
    ("uri", "source", "said"),
    [
        ("/d/birds/a/b.jpg", "/d/birds", "a/b.jpg"),
        ("/d/birds/a/b.jpg", "/d/birds/list.csv", "a/b.jpg"),
        ("/d/birds-2/b.jpg", "/d/birds", "birds-2/b.jpg"),
        ("/home/jane/b.jpg", "/d/birds", "b.jpg"),
        ("/home/jane/s.tar#x/b.jpg", "/d/birds", "s.tar#x/b.jpg"),
        ("file:///d/birds/great%20tit.jpg", "/d/birds", "great tit.jpg"),
        ("s3://bucket/b.jpg", "/d/birds", None),
        ("/b.jpg", "/", "b.jpg"),
    ],
)
def test_a_local_place_is_told_from_its_sources_folder_on(uri, source, said):
    assert place_within(uri, source) == said


def test_counts_are_those_of_the_records(made):
    out, found, kept, _ = made
    said = json.loads((out / "statistics.json").read_text())
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
    paths = [tuple(row[rank] for rank in ranks) for row in kept.values()]
    assert said["pictures"] == len(kept) == found["pictures"]
    assert said["taxa"] == len(set(paths))
    assert said["pictures_with_all_ranks"] == sum(all(path) for path in paths)
    for place, rank in enumerate(ranks):
        named = [path[: place + 1] for path in paths if path[place]]
        assert said["ranks"][rank] == {"taxa": len(set(named)), "pictures": len(named)}
    columns = {
        "phyla": ("phylum", "phylum"),
        "sources": ("data_source", "source"),
        "licences": ("licence", "licence"),
        "kinds": ("img_type", "kind"),
        "splits": ("split", "split"),
    }
    for name, (key, column) in columns.items():
        counts = Counter(row[column] for row in kept.values())
        assert {row[key]: row["pictures"] for row in said[name]} == counts
        assert [int(line["pictures"]) for line in lines(out / f"statistics/{name}.csv")] == sorted(
            counts.values(), reverse=True
        )
        assert {row[key]: row["taxa"] for row in said[name]} == {
            word: len({path for path, row in zip(paths, kept.values(), strict=True) if row[column] == word})
            for word in counts
        }
    species = Counter(path for path in paths if path[-1])
    tail = {row["pictures_of_a_species"]: (row["species"], row["pictures"]) for row in said["long_tail"]}
    for (low, high), words in {(1, 1): "1", (2, 5): "2-5", (6, 10): "6-10", (11, 20): "11-20"}.items():
        sizes = [n for n in species.values() if low <= n <= high]
        assert tail[words] == (len(sizes), sum(sizes))
    assert [(line["species"], int(line["n"])) for line in lines(out / "statistics/species.csv")] == sorted(
        ((path[-1].split(" ", 1)[1].lower(), n) for path, n in species.items()), key=lambda one: (-one[1], one[0])
    )


def test_the_flow_adds_up_from_stage_to_stage_and_to_the_pictures_that_are_written(made):
    out, found, kept, _ = made
    rows = lines(out / "flow.csv")
    for source in ("birds", "museum"):
        left = None
        for stage in (one["stage"] for one in found["flow"]):
            said = {
                (row["what"], row["why"]): int(row["pictures"])
                for row in rows
                if (row["stage"], row["source"]) == (stage, source)
            }
            taken = said["in", ""]
            assert left in (None, taken)
            left = said["out", ""]
            assert left == taken - sum(n for (what, _), n in said.items() if what == "dropped")
        written = {
            row["why"]: int(row["pictures"]) for row in rows if (row["stage"], row["source"]) == ("write", source)
        }
        assert written == Counter(row["split"] for row in kept.values() if row["source"] == source)
        assert sum(written.values()) == left


def test_changes_are_in_the_flow_by_source_and_word(tmp_path):
    job = Job(CurateConfig(sources=(SourceConfig(name="birds", path="birds"),)), tmp_path)
    rows = [{**row, "dropped": None} for row in rows_of(tmp_path / "in", 3)]
    for stage in job.stages:
        put_stage(job, stage, rows, Flow(changed=Counter({("birds", "synonym"): 2})) if stage == "names" else None)
    assert [row for row in flows_of(job).rows() if row[2] == "changed"] == [("names", "birds", "changed", "synonym", 2)]


def test_an_empty_data_set_is_written_too(tmp_path):
    job = job_of(tmp_path / "in", tmp_path / "a", n=6)
    rows = [{**row, "dropped": "screen: blank", "split": None} for row in rows_of(tmp_path / "in", 6)]
    out = tmp_path / "empty"
    found = write(put_stages(job.config, out, rows))
    assert (found["pictures"], found["dropped"], found["splits"]) == (
        0,
        {"screen": 6},
        {"train": 0, "val": 0, "test": 0, "test_species": 0},
    )
    assert list((out / "shards").rglob("*.tar")) == []
    assert pq.read_table(out / "catalog.parquet").num_rows == 0
    assert flows_of(put_stages(job.config, out, rows)).kept == Counter()
