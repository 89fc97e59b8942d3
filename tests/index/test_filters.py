"""Conditions over a store that holds birds and plants: what a filter may say, and that none leaves its brackets."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, StoreError
from cladescope.index.filters import condition, rows_in_clades
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS, Taxon

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
EXTRA = [
    pa.field("Sepal Length", pa.float64()),
    pa.field("note", pa.string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("taken", pa.timestamp("ms", tz="UTC")),
    pa.field("wild", pa.bool_()),
    pa.field("place", pa.struct([("country", pa.string())])),
]
BIRD = {"kingdom": "Animalia", "class": "Aves", "order": "Passeriformes", "genus": "Parus"}
PLANT = {"kingdom": "Plantae", "class": "Magnoliopsida", "order": "Rosales"}
ROWS = [
    (BIRD, {"Sepal Length": None, "note": 'Ross\'s "own" \\ tit', "tags": ["a", "b"], "wild": True}),
    (BIRD, {"Sepal Length": 1.5, "note": "100%", "tags": ["c"], "wild": False}),
    (PLANT, {"Sepal Length": 5.5, "note": "12", "tags": None, "wild": None, "place": {"country": "Chile"}}),
    (PLANT, {"Sepal Length": 6.5, "note": None, "taken": datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)}),
]


@pytest.fixture(scope="module")
def garden(tmp_path_factory):
    store = Store.create(tmp_path_factory.mktemp("filters") / "s", CARD)
    store.add_fields(EXTRA)
    records = [
        Record(image_id=f"i{n}", uri=f"/{n}.jpg", source="s", labels=labels, extra=extra)
        for n, (labels, extra) in enumerate(ROWS)
    ]
    store.write(images_table(records, np.eye(4, dtype=np.float16), EXTRA, {}), failures_table([]))
    return store


def found(store, **conditions):
    (ids,) = [
        [
            int(name[1:])
            for batch in store.scan(["image_id"], condition=store.condition(**conditions))
            for name in batch[0].to_pylist()
        ]
    ]
    return ids


@pytest.mark.parametrize(
    "where, rows",
    [
        ("genus = 'Parus'", [0, 1]),
        ("GENUS = 'Parus'", [0, 1]),
        ("order = 'Rosales' AND class = 'Magnoliopsida'", [2, 3]),
        ("`order` = 'Rosales' and \"class\" like 'Magn%'", [2, 3]),
        ("`Sepal Length` > 1.5", [2, 3]),
        ("`Sepal Length` BETWEEN 1 AND 5.5", [1, 2]),
        ("`Sepal Length` NOT BETWEEN 1 AND 5.5", [3]),
        ("-`Sepal Length` + 1 < -5", [3]),
        ("`Sepal Length` IS NULL OR note IS NULL", [0, 3]),
        ("genus IS NOT NULL AND NOT (note = '100%')", [0]),
        ("note = 'Ross''s \"own\" \\ tit'", [0]),
        ("note LIKE '%own%' OR note ILIKE 'ROSS%'", [0]),
        ("note IN ('100%', 'x') OR image_id IN ('i3')", [1, 3]),
        ("note NOT IN ('100%')", [0, 2]),
        ("lower(genus) = 'parus' AND starts_with(note, '1')", [1]),
        ("trim(note) = '12' AND length(note) = 2", [2]),
        ("TRY_CAST(note AS INT) = 12", [2]),
        ("CAST(`Sepal Length` AS VARCHAR) = '1.5'", [1]),
        ("`Sepal Length`::int = 5", [2]),
        ("wild", [0]),
        ("NOT wild", [1]),
        ("wild = false", [1]),
        ("wild IS NOT TRUE", [1, 2, 3]),
        ("array_has(tags, 'a')", [0]),
        ("array_has_any(tags, ['b', 'c'])", [0, 1]),
        ("array_length(tags) = 2 AND tags[1] = 'a'", [0]),
        ("taken > timestamp '2026-01-01 00:00:00'", [3]),
        ("CAST(taken AS DATE) = DATE '2026-05-01'", [3]),
        ("date_part('year', taken) = 2026", [3]),
        ("place.country = 'Chile'", [2]),
        ("`Sepal Length` % 2 = 0.5", [3]),
        ("regexp_like(note, '^[0-9]+$')", [2]),
        ("coalesce(genus, 'none') = 'none'", [2, 3]),
        ("note || '!' = '12!'", [2]),
        ("true", [0, 1, 2, 3]),
        ("1 = 2", []),
    ],
)
def test_a_condition_means_what_sql_says(garden, where, rows):
    assert found(garden, where=where) == rows
    assert garden.count(where=where) == len(rows)
    assert found(garden, where=where, within="Aves") == [row for row in rows if row in (0, 1)]


@pytest.mark.parametrize(
    "where, words",
    [
        ("", "it is empty"),
        ("1=1) or (1=1", "unexpected"),
        ("1=1) or (true", "unexpected"),
        ("wild; DELETE FROM images", "a semicolon"),
        ("wild -- and nothing else", "a comment"),
        ("wild /* aside */", "a comment"),
        ("note = 'open", "left open"),
        ("image_id IN (SELECT image_id FROM images)", "IN takes a list"),
        ("EXISTS (SELECT 1)", "EXISTS is not allowed"),
        ("repeat('a', 2000000000) = note", "it calls 'repeat', and may call only"),
        ("lpad(note, 2000000000, 'x') = note", "it calls 'lpad'"),
        ("random() > 0.5", "it calls 'random'"),
        ("note = N'x'", "NATIONAL is not allowed"),
        ("note LIKE 'a!%' ESCAPE '!'", "ESCAPE is not allowed"),
        ("CASE WHEN wild THEN true ELSE false END", "unexpected"),
        ("genus", "does not return a boolean"),
        ("genus > 5", "could not convert to literal"),
        ("nothing = 3", "no column 'nothing' in the condition"),
        ("place.town = 'Lima'", "no field 'town' of column 'place'"),
        ("(" * 500 + "wild" + ")" * 500, "nested too deep"),
        ("coalesce(" * 12 + "note" + ", note)" * 12 + " = 'a'", "nested deeper than 10"),
        (" OR ".join(["wild"] * 1001), "more than 1,000 comparisons"),
        (f"note = '{'x' * 100_000}'", "100,000 are allowed"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(garden, where, words):
    with pytest.raises(InputError, match=f"(?i){words}") as error:
        garden.count(where=where)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("where", ["CAST(note AS INT) = 1", "1 / (`Sepal Length`::int - 5) = 1"])
def test_what_cannot_be_computed_of_every_row_is_the_conditions_fault(garden, where):
    with pytest.raises(InputError, match="cannot be computed of every row: (Cannot cast|Divide by zero)"):
        garden.count(where=where)


def test_a_damaged_data_file_is_not_called_a_wrong_condition(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    record = Record(image_id="i", uri="/i.jpg", source="s", labels=BIRD)
    store.write(images_table([record], np.eye(4, dtype=np.float16)[:1], (), {}), failures_table([]))
    for path in (store.path / "lance" / "images.lance" / "data").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(StoreError, match="could not be read") as error:
        Store.open(store.path).count(where="genus = 'Parus'")
    assert "\n" not in str(error.value)


def test_a_clade_cannot_be_left_by_a_condition(garden):
    with pytest.raises(InputError, match="not a condition"):
        garden.delete(within="Aves", where="1=1) or (1=1")
    assert garden.count() == 4
    assert found(garden, within="Aves", where="true OR true") == [0, 1]
    assert found(garden, within=["Aves", "Plantae"], where="wild IS NULL") == [2, 3]


NAME = st.sampled_from([None, "Parus", "parus", "Pica", "Aves"])


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(*[NAME] * 7), min_size=1, max_size=8),
    taxa=st.lists(st.lists(NAME, min_size=0, max_size=6).map(lambda path: Taxon((*path, "Parus"))), max_size=3),
)
def test_clades_of_a_table_in_memory_are_those_of_sql(rows, taxa):
    duckdb = pytest.importorskip("duckdb")
    names = pa.table(
        dict(zip(RANKS, ([row[place] for row in rows] for place in range(7)), strict=True)),
        schema=pa.schema([(rank, pa.string()) for rank in RANKS]),
    )

    def spellings(name):
        return (name, "parus") if name == "Parus" else ()

    sql = condition(names.schema, taxa=taxa, spellings=spellings).replace("`", '"')
    expected = duckdb.sql(f"SELECT ({sql}) AS inside FROM names").fetchall()
    found = rows_in_clades(names, taxa, spellings)
    assert found.tolist() == [one is True for (one,) in expected]


def test_the_clade_of_a_homonym_is_its_whole_path():
    written = condition(pa.schema([]), taxa=[Taxon(("Animalia", None, "Aves")), Taxon(("Plantae",))])
    assert written == "(`kingdom` = 'Animalia' AND `phylum` IS NULL AND `class` = 'Aves') OR `kingdom` = 'Plantae'"


MARKS = "' '' \" ` ( ) -- /* */ ; , \\ [ ] . : :: $$ ? = < + - 1 1e9 lower("
WORDS = "AND OR NOT IN LIKE IS NULL TRUE BETWEEN CAST AS INT SELECT UNION CASE genus wild note order kingdom 'Aves'"
PIECES = st.sampled_from([*MARKS.split(), *WORDS.split(), "`Sepal Length`", " ", "\n", "\0"])


@settings(max_examples=150)
@given(
    st.one_of(
        st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=12).map("".join), st.text(max_size=20)
    )
)
@example("1=1) or (true")
@example("true) OR true --")
@example("wild' OR '1'='1")
@example("NOT (kingdom = 'Animalia')")
def test_whatever_a_condition_says_it_only_narrows_its_clade(garden, where):
    birds, lines = {0, 1}, 1
    try:
        inside = set(found(garden, within="Aves", where=where))
        assert inside <= birds
        assert inside == birds & set(found(garden, where=where))
    except InputError as error:
        lines = len(str(error).splitlines())
    assert lines == 1
