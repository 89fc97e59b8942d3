"""The first stage: every record of every source once, under an id that lasts, and what is done where a source breaks off."""

import json
import os
import tracemalloc
import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cladescope.errors import InputError
from cladescope.training.curation import gather as gathering
from cladescope.training.curation.config import CurateConfig, load_config
from cladescope.training.curation.gather import gather
from cladescope.training.curation.ids import NAMESPACE
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.repeated_ids import OTHER_NAME, REPEATED, UNDER_ANOTHER_NAME, drop_repeated
from cladescope.training.curation.sections import DuplicatesConfig, SourceConfig


def made(folder, tables, *, part_rows=4, out="out"):
    """A job whose sources are CSV files of these rows, by name."""
    text = []
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(["file,species,image_id,license,Sex,eventDate", *rows]) + "\n")
        text.append(f'[[sources]]\nname = "{name}"\npath = "{name}.csv"\nlicence = "CC0"\n')
    (folder / "tree.toml").write_text("\n".join(text))
    return Job(load_config(folder / "tree.toml"), folder / out, part_rows=part_rows)


def rows_of(job):
    return pa.concat_tables([table.unify_dictionaries() for table in job.scan("gather")]).to_pylist()


TABLES = {
    "birds": [f"b{number}.jpg,Parus major,id{number},CC BY 4.0,f,2020-01-01" for number in range(5)],
    "moths": [f"m{number}.jpg,Vanessa atalanta,id{number},,," for number in range(6)],
}


def test_every_record_of_every_source_is_a_row(tmp_path):
    job = made(tmp_path, TABLES)
    gather(job)
    rows = rows_of(job)
    assert [row["row"] for row in rows] == list(range(11))
    assert [(row["source"], row["record"]) for row in rows] == [
        *(("birds", number) for number in range(5)),
        *(("moths", number) for number in range(6)),
    ]
    assert {row["licence"] for row in rows[:5]} == {"CC BY 4.0"}
    assert {row["licence"] for row in rows[5:]} == {"CC0"}, "the configuration's, where the row has none"
    assert rows[0]["written_species"] == "Parus major"
    assert rows[0]["recorded"].startswith("2020-01-01")
    assert json.loads(rows[0]["raw"])["Sex"] == "f"
    assert rows[0]["id"] == str(uuid.uuid5(NAMESPACE, "birds/id0"))
    assert len({row["id"] for row in rows}) == 11, "the same id in two sources is two pictures"
    assert job.manifest("gather")["counts"]["in"] == {"birds": 5, "moths": 6}


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path):
    found = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.csv").write_text("file,species\none/a.jpg,Parus major\n")
        (tmp_path / place / "tree.toml").write_text('[[sources]]\nname = "a"\npath = "a.csv"\n')
        job = Job(load_config(tmp_path / place / "tree.toml"), tmp_path / place / "out")
        gather(job)
        found.append(rows_of(job)[0])
    assert found[0]["id"] == found[1]["id"] == str(uuid.uuid5(NAMESPACE, "a/one/a.jpg"))
    assert found[0]["image_id"] == found[1]["image_id"] == "one/a.jpg"


@pytest.mark.parametrize("as_columns", [False, True])
def test_a_job_that_was_cut_short_goes_on_with_the_same_rows(tmp_path, monkeypatch, as_columns):
    whole = made(tmp_path, TABLES, out="whole")
    gather(whole)
    job = made(tmp_path, TABLES)
    opened = gathering.opened

    class Lost:
        """A source that disappears after some records."""

        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            return getattr(self.source, name)

        def records(self):
            for number, record in enumerate(self.source.records()):
                if number == 4:
                    raise InputError("the disk is gone")
                yield record

        def columns(self):
            return self.lost_columns() if as_columns else None

        def lost_columns(self):
            yield next(self.source.columns()).slice(0, 4)
            raise InputError("the disk is gone")

    monkeypatch.setattr(gathering, "opened", lambda one: Lost(opened(one)) if one.name == "moths" else opened(one))
    with pytest.raises(InputError, match="source moths breaks off: the disk is gone .what was gathered stays"):
        gather(job)
    assert job.n_parts == 2, "what was whole is there"
    begun = [job.path("gather", part).stat().st_mtime_ns for part in range(2)]
    monkeypatch.setattr(gathering, "opened", opened)
    gather(job)
    assert [job.path("gather", part).stat().st_mtime_ns for part in range(2)] == begun, "and is not made again"
    assert rows_of(job) == rows_of(whole)
    for part in range(3):
        assert job.path("gather", part).read_bytes() == whole.path("gather", part).read_bytes()


def test_another_source_under_the_same_name_is_not_taken_for_the_rest(tmp_path):
    job = made(tmp_path, TABLES)
    gather(job)
    (job.work / "gather" / "manifest.json").unlink()
    (tmp_path / "birds.csv").write_text("file,species,image_id\n" + "b.jpg,Parus major,z9\n" * 6)
    with pytest.raises(InputError, match="was begun with other settings of the stage gather: sources.birds.content"):
        gather(made_again(tmp_path))


def made_again(folder):
    return Job(load_config(folder / "tree.toml"), folder / "out", part_rows=4)


def test_repeated_ids_are_dropped_but_once_and_an_id_of_two_sources_is_refused(tmp_path):
    job = made(tmp_path, {"birds": [*TABLES["birds"], *TABLES["birds"][:2]]})
    gather(job)
    rows = rows_of(job)
    assert [row["dropped"] for row in rows] == [None] * 5 + [f"gather: {REPEATED}"] * 2
    assert job.manifest("gather")["counts"]["dropped"] == [["birds", REPEATED, 2]]
    shared = str(uuid.uuid4())
    both = {name: [f"a.jpg,Parus major,{shared},CC0,,"] for name in ("one", "two")}
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=f"the sources one and two both claim the id {shared}"):
        gather(made(tmp_path / "b", both))


def test_a_row_that_names_no_picture_is_dropped_and_counted(tmp_path):
    job = made(tmp_path, {"birds": [*TABLES["birds"], ",Parus major,idx,CC0,,"]})
    gather(job)
    assert job.manifest("gather")["counts"]["dropped"] == [["birds", "names no picture that can be opened", 1]]


def test_words_that_say_nothing_and_markup_in_names_are_counted(tmp_path):
    rows = ["a.jpg,pleasehelp,1,CC0,,", "b.jpg,<i>Parus</i> major,2,CC0,,", "c.jpg,Parus major,3,CC0,,"]
    job = made(tmp_path, {"birds": rows})
    gather(job)
    assert [row["written_species"] for row in rows_of(job)] == [None, "Parus major", "Parus major"]
    assert job.manifest("gather")["counts"]["changed"] == [
        ["birds", "'pleasehelp' read as not known", 1],
        ["birds", "name respelt", 1],
    ]


def test_what_was_changed_is_still_counted_where_ids_come_twice(tmp_path):
    rows = ["a.jpg,<i>Parus</i> major,1,CC0,,", "b.jpg,pleasehelp,2,CC0,,", "c.jpg,Parus major,2,CC0,,"]
    job = made(tmp_path, {"birds": rows})
    gather(job)
    counts = job.manifest("gather")["counts"]
    assert counts["dropped"] == [["birds", REPEATED, 1]]
    assert counts["changed"] == [["birds", "'pleasehelp' read as not known", 1], ["birds", "name respelt", 1]]


def test_a_row_without_a_picture_does_not_stand_for_one_with_a_picture(tmp_path):
    rows = [",Parus major,1,CC0,,", "b.jpg,Parus major,1,CC0,,", "c.jpg,Parus major,1,CC0,,", ",Parus major,1,CC0,,"]
    job = made(tmp_path, {"birds": rows})
    gather(job)
    none = "gather: names no picture that can be opened"
    assert [row["dropped"] for row in rows_of(job)] == [none, None, f"gather: {REPEATED}", none]


def test_a_column_of_specimens_that_no_record_has_is_refused(tmp_path):
    job = made(tmp_path, TABLES)
    sources = [replace(one, specimen="Sex" if one.name == "birds" else "Sexx") for one in job.config.sources]
    job.config = replace(job.config, sources=tuple(sources))
    with pytest.raises(InputError, match="no record of source moths has a value in 'Sexx'"):
        gather(job)


def test_repeated_ids_are_sought_in_the_memory_that_is_said(tmp_path):
    n, part_rows = 400_000, 4_000
    config = CurateConfig(sources=(SourceConfig(name="a", path="a"),))
    job = Job(config, tmp_path / "out", part_rows=part_rows)
    folder = job.work / "gather"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part in range(n // part_rows):
        ids = [str(uuid.UUID(bytes=random.bytes(16))) for _ in range(part_rows)]
        pq.write_table(pa.table({"id": ids}), folder / f"part-{part:06d}.parquet")
    tracemalloc.start()
    try:
        drop_repeated(job, Stage("gather", folder, job, {}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 17 * n + 4_000_000


@pytest.mark.parametrize("path", ["photos", "photos/*/*.jpg", "{photos,more}/*/*.jpg"])
def test_ids_of_pictures_without_one_are_their_places_in_the_folder_of_the_source(tmp_path, path):
    found = []
    for place in ("here", "there [2]"):
        for name in ("photos/a/1.jpg", "photos/b/1.jpg", "more/b/1.jpg"):
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / name).write_bytes(b"1")
        (tmp_path / place / "tree.toml").write_text(f'[[sources]]\nname = "a"\npath = "{path}"\n')
        job = Job(load_config(tmp_path / place / "tree.toml"), tmp_path / place / "out")
        if "*" in path and "[" in place:
            continue  # such a folder's name is itself a pattern
        gather(job)
        found.append([(row["id"], row["image_id"]) for row in rows_of(job)])
    here = "photos/" if path.startswith("{") else ""
    assert [image_id for _, image_id in found[0]][-2:] == [f"{here}a/1.jpg", f"{here}b/1.jpg"]
    assert found[0] == found[-1]


def test_ids_of_pictures_of_an_occurrence_do_not_depend_on_where_the_folder_lies_either(tmp_path):
    found = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.csv").write_text(
            "gbifID,file,species\n7,one/a.jpg,Parus major\n8,one/a.jpg,Parus major\n"
        )
        (tmp_path / place / "tree.toml").write_text('[[sources]]\nname = "a"\npath = "a.csv"\n')
        job = Job(load_config(tmp_path / place / "tree.toml"), tmp_path / place / "out")
        gather(job)
        found.append(rows_of(job))
    assert [row["id"] for row in found[0]] == [row["id"] for row in found[1]]
    assert len({row["id"] for row in found[0]}) == 2
    assert (
        [row["image_id"] for row in found[0]] == [row["image_id"] for row in found[1]] == ["7:one/a.jpg", "8:one/a.jpg"]
    )


@pytest.mark.parametrize("contradiction", ["drop", "keep"])
def test_a_repeated_id_under_another_name_is_told_apart(tmp_path, contradiction):
    rows = ["a.jpg,Parus major,1,CC0,,", "a.jpg,,1,CC0,,", "c.jpg,Pica pica,3,CC0,,", "c.jpg,,3,CC0,,"]
    rows += ["a.jpg,Pica pica,1,CC0,,", "b.jpg,Pica pica,2,CC0,,"]
    job = made(tmp_path, {"birds": rows})
    job.config = replace(job.config, duplicates=DuplicatesConfig(contradiction=contradiction))
    gather(job)
    first = OTHER_NAME if contradiction == "drop" else None
    reasons = [first, REPEATED, None, REPEATED, UNDER_ANOTHER_NAME, None]
    assert [row["dropped"] for row in rows_of(job)] == [why and f"gather: {why}" for why in reasons]
    before = [job.path("gather", part).read_bytes() for part in range(job.n_parts)]
    (job.work / "gather" / "manifest.json").unlink()
    gather(job)
    assert [job.path("gather", part).read_bytes() for part in range(job.n_parts)] == before


def test_names_that_are_read_otherwise_are_kept_as_they_are_written(tmp_path):
    rows = ["a.jpg,<i>Parus</i> major,1,,,", "b.jpg,Parus major,2,,,", "c.jpg,unknown,3,,,"]
    job = made(tmp_path, {"birds": rows})
    gather(job)
    assert [row["as_written"] and json.loads(row["as_written"]) for row in rows_of(job)] == [
        {"species": "<i>Parus</i> major"}, None, {"species": "unknown"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "north, east", [("decimalLatitude", "decimalLongitude"), ("coord-lat", "coord-lon"), ("lat", "lon"), ("Lat", "Lng")]
)
def test_places_are_read_under_the_names_that_tables_have(tmp_path, north, east):
    (tmp_path / "t.csv").write_text(f"file,species,{north},{east}\na.jpg,Parus major,48.5,-11.25\n")
    job = Job(CurateConfig(sources=(SourceConfig(name="t", path=str(tmp_path / "t.csv")),)), tmp_path / "out")
    gather(job)
    (row,) = rows_of(job)
    assert (row["latitude"], row["longitude"]) == (48.5, -11.25)


CAMTRAP = "image_id,file,species,deploymentID,fileMediatype,eventID"


@pytest.mark.parametrize(
    "head, row, kind, sequence",
    [
        (CAMTRAP, "1,a.jpg,Parus major,D1,image/jpeg,E7", "camera trap", "D1/E7"),
        ("image_id,file,species,eventID", "1,a.jpg,Parus major,E7", None, None),
        (
            "image_id,url_gcp,url_aws,original_label,sequence_id,species",
            "1,a.jpg,b.jpg,tit,L : 7,Parus major",
            "camera trap",
            "L : 7",
        ),
        ("image_id,file,species,seq_id", "1,a.jpg,Parus major,7", None, "7"),
    ],
)
def test_tables_of_camera_traps_are_known_with_their_sequences(tmp_path, head, row, kind, sequence):
    (tmp_path / "t.csv").write_text(f"{head}\n{row}\n")
    for own in ("", "live"):
        source = SourceConfig(name="t", path=str(tmp_path / "t.csv"), kind=own)
        job = Job(CurateConfig(sources=(source,)), tmp_path / f"out{own}")
        gather(job)
        (found,) = rows_of(job)
        assert (found["kind"], found["sequence_id"]) == (own or kind, sequence)


def test_a_file_that_is_only_touched_is_the_same_and_a_picture_that_comes_into_a_folder_is_not(tmp_path):
    (tmp_path / "birds" / "out").mkdir(parents=True)
    (tmp_path / "birds" / "a.jpg").write_bytes(b"")
    (tmp_path / "t.csv").write_text("file,species\na.jpg,Parus major\n")
    sources = tuple(
        SourceConfig(name=name, path=str(tmp_path / path)) for name, path in (("t", "t.csv"), ("b", "birds"))
    )
    config = CurateConfig(sources=sources)
    job = Job(config, tmp_path / "birds" / "out")
    gather(job)
    os.utime(tmp_path / "t.csv", (1, 1))
    (tmp_path / "birds" / "out" / "new.jpg").write_bytes(b"")
    (tmp_path / "birds" / "notes.txt").write_text("mine")
    gather(Job(config, job.out))
    (tmp_path / "birds" / "new.jpg").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"other settings of the stage gather: sources.b.pictures \('1 with names .*now '2 with names "
    ):
        gather(Job(config, job.out))
