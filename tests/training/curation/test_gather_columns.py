"""Rows that are gathered as columns are those that are gathered one by one."""

import itertools
import json
import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.record_columns import columns_of
from cladescope.embedding.sources import open_source
from cladescope.training.curation import gather as gathering
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.gather import gather, row_of
from cladescope.training.curation.gather_columns import _json
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import SourceConfig

ROWS = [
    "file,id,genus,species,common_name,license,decimalLatitude,longitude,catalogNumber,processid,note,publisher,year,eventDate,kingdom,title,source_url",
    'https://a.org/1.jpg,1,Parus,Parus major,Tit,CC0,48.5,11,C1,,"say ""hi""\tthere",Museum,1999,2024-05-01,Animalia, A ,',
    "https://a.org/2.jpg,,parus,ater,NA,,,x,,P2,Größe \\ x,,2001,,unknown,,see the label",
    "b/3.jpg,3F2504E0-4F89-41D3-9A0C-0305E82C3301,,,,CC-BY,nan,-3.25,  ,P3,,,,,,T,https://a.org/3",
    ",4,Apus,Apus apus,,,1e3,,,,,,,,,,",
    ",,,,,,,,,,,,,,,,",
    "https://a.org/5.jpg,5,Apus,Apus apus (L.),Swift,,,,7,,\x07bell,,,,Animalia,,",
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "more",
    [{}, {"specimen": "note"}, {"licence": "CC BY", "rights_holder": "Me", "publisher": "Us"}],
    ids=["plain", "own specimen", "defaults"],
)
def test_a_row_of_columns_is_that_of_its_record(table, more):
    config = SourceConfig(name="src", path=str(table), **more)
    source = open_source(table, name="src")
    records = list(source.records())
    assert len(records) == 5, "the row without any value is none"
    expected = [row_of(record, config, 100 + n, 7 + n) for n, record in enumerate(records)]
    words = Counter(word for record in records for word in gathering._changes(record))
    assert len(words) >= 3, "there is something to compare"
    found, told = [], Counter()
    start = 0
    for columns in columns_of(source):
        for part in (columns.slice(0, 2), columns.slice(2, columns.num_rows)):
            made, counted = gathering.table_of(part, config, 100 + start, 7 + start)
            found += made.to_pylist()
            told += counted
            start += part.num_rows
    for one, row in zip(found, expected, strict=True):
        for name in ("latitude", "longitude"):
            if row[name] is not None and math.isnan(row[name]):
                assert math.isnan(one.pop(name))
                row.pop(name)
        assert one == row
    assert told == words
    assert [one["source_url"] for one in found[:3]] == [None, None, "https://a.org/3"]
    assert json.loads(found[0]["raw"])["note"] == 'say "hi"\tthere'
    assert any("\\u0007" in one["raw"] for one in found)


def test_parts_are_the_same_by_columns_and_by_records_and_where_a_job_goes_on(table, tmp_path, monkeypatch):
    config = CurateConfig(
        sources=(SourceConfig(name="a", path=str(table), limit=4), SourceConfig(name="b", path=str(table)))
    )

    def run(name, by_columns):
        with monkeypatch.context() as patch:
            if not by_columns:
                patch.setattr(gathering, "columns_of", lambda source: None)
            job = Job(config, tmp_path / name, part_rows=2)
            patch.setattr(gathering, "drop_repeated", lambda job, stage: None)
            gather(job)
        return job

    by_records, by_columns = run("records", False), run("columns", True)
    assert by_records.n_parts == by_columns.n_parts == 5
    for part in range(5):
        assert by_columns.read("gather", part).equals(by_records.read("gather", part))
    assert by_columns.manifest("gather")["counts"] == by_records.manifest("gather")["counts"]
    # Cut short after three parts, and go on.
    for part in (3, 4):
        by_columns.path("gather", part).unlink()
    (by_columns.work / "gather" / "manifest.json").unlink()
    before = [by_records.path("gather", part).read_bytes() for part in range(5)]
    again = run("columns", True)
    assert [again.path("gather", part).read_bytes() for part in range(5)] == before


def test_columns_hold_every_kind_of_value(tmp_path):
    import datetime

    import pyarrow.parquet as pq

    values = {
        "file": ["https://a.org/1.jpg", "https://a.org/2.jpg", "https://a.org/3.jpg"],
        "species": ["Parus major", None, "Apus apus"],
        "whole": [1, None, -3],
        "number": [0.1, 1e300, float("nan")],
        "flag": [True, None, False],
        "day": [datetime.date(2024, 5, 1), None, datetime.date(1758, 1, 1)],
        "tags": [["a", "b"], [], None],
        "place": [{"x": 1.5, "y": "z"}, None, {"x": None, "y": 'q"'}],
        "latitude": [1.25, None, float("nan")],
    }
    pq.write_table(pa.table(values), tmp_path / "t.parquet")
    source = open_source(tmp_path / "t.parquet", name="s")
    config = SourceConfig(name="s", path=str(tmp_path / "t.parquet"))
    expected = [row_of(record, config, n, n)["raw"] for n, record in enumerate(source.records())]
    (columns,) = columns_of(source)
    made, _ = gathering.table_of(columns, config, 0, 0)
    assert made["raw"].to_pylist() == expected
    assert made["latitude"].to_pylist()[:2] == [1.25, None]
    assert list(itertools.islice(columns.records(), 1)) == list(itertools.islice(source.records(), 1))


@pytest.mark.parametrize("by_columns", [True, False])
def test_words_for_no_number_are_no_specimen_that_ties_pictures(tmp_path, monkeypatch, by_columns):
    numbers = ["s.n.", "S.N.", "NA", "unknown", " ", "0", "K001", "not applicable"]
    lines = [f"{n}.jpg,Parus major,{number}" for n, number in enumerate(numbers)]
    (tmp_path / "t.csv").write_text("\n".join(["file,species,catalogNumber", *lines]) + "\n")
    job = Job(CurateConfig(sources=(SourceConfig(name="a", path=str(tmp_path / "t.csv")),)), tmp_path / "out")
    if not by_columns:
        monkeypatch.setattr(gathering, "columns_of", lambda source: None)
    gather(job)
    assert job.column("gather", "specimen_id").to_pylist() == [None] * 5 + ["0", "K001", None]


_VALUES = {
    "species": st.none() | st.sampled_from(["Parus major", 'a "b"', ""]),
    "n": st.none() | st.integers(-3, 3),
    "tags": st.none() | st.lists(st.sampled_from(["x", "y"]), max_size=2),
}


@given(st.lists(st.fixed_dictionaries(_VALUES), max_size=6))
def test_json_of_columns_is_that_of_each_row_also_where_it_says_nothing(rows):
    types = {"species": pa.string(), "n": pa.int64(), "tags": pa.list_(pa.string())}
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    said = [{name: row[name] for name in types if row[name] is not None} for row in rows]
    assert _json(columns, len(rows)).to_pylist() == [json.dumps(row, ensure_ascii=False) for row in said]
