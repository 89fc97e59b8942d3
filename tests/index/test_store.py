import errno
import json
import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

import cladescope
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import embed
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import EncoderError, InputError, StoreError, TaxonError
from cladescope.index.filters import condition
from cladescope.index.literals import quote
from cladescope.index.store import Store
from cladescope.schema import FORMAT_VERSION
from cladescope.taxonomy import RANKS, Taxon

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
NO_FAILURES = failures_table([])


def rows(*labels, extra=(), first=0, **values):
    """A table of rows with the given labels, whose vectors point along an axis each."""
    records = [
        Record(image_id=f"i{first + n}", uri=f"/{first + n}.jpg", source="s", labels=label, extra=values)
        for n, label in enumerate(labels)
    ]
    vectors = np.eye(4, dtype=np.float16)[[n % 4 for n in range(len(records))]]
    return images_table(records, vectors, extra, {})


def failure(uri, stage="decode", reason="truncated", image_id="x"):
    return Failure(Record(image_id=image_id, uri=uri, source="s"), stage, reason)


def test_a_new_store_is_empty_and_opens_with_its_encoder(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    assert store.count() == 0
    assert Store.open(tmp_path / "s").card == CARD
    assert store.lineages().num_rows == 0
    assert len(store.taxonomy) == 0


def test_rows_come_back_as_they_were_written(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    store.add_fields([pa.field("latitude", pa.float64())])
    store.write(
        rows({"kingdom": "Animalia"}, {}, extra=[pa.field("latitude", pa.float64())], latitude=1.5),
        NO_FAILURES,
    )
    (ids, vectors), *rest = store.vectors()
    assert not rest
    np.testing.assert_array_equal(vectors, np.eye(4)[:2])
    first, second = store.rows(ids[::-1].tolist(), ["image_id", "kingdom", "latitude"])
    assert (first["image_id"], second["image_id"], second["kingdom"]) == ("i1", "i0", "Animalia")
    assert first["latitude"] == 1.5


def test_a_clade_is_found_in_all_its_spellings_and_its_namesake_in_another_kingdom_is_not(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    spellings = [
        "Caf\u00e9a alba",
        "Cafe\u0301a alba",
        "caf\u00e9a alba",
        "Caf\u00e9a\u00a0alba",
        "Caf\u00e9a\u200b alba",
    ]
    labels = [{"kingdom": "Plantae", "species": spelling} for spelling in spellings]
    store.write(rows(*labels, {"kingdom": "Animalia", "species": spellings[0]}), NO_FAILURES)
    assert len(store.taxonomy.taxa("species")) == 2
    for spelling in spellings:
        assert store.count(within=f"plantae > {spelling}") == 5
        assert store.count(within=f"Animalia > {spelling}") == 1
    found = store.search(vector=np.eye(4, dtype=np.float32)[0], within="Plantae", k=5).consensus
    assert (found.taxon.path[-1], found.share) == (spellings[0], 1.0)


def test_columns_that_come_later_are_null_before(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    store.write(rows({}), NO_FAILURES)
    store.add_fields([pa.field("sex", pa.string())])
    store.write(rows({}, first=1, extra=[pa.field("sex", pa.string())], sex="f"), NO_FAILURES)
    store.write(rows({}, first=2), NO_FAILURES)
    found = [row["sex"] for batch in store.scan(["sex"]) for row in batch.to_pylist()]
    assert found == [None, "f", None]


def test_a_column_of_another_type_is_refused_by_name(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    store.add_fields([pa.field("age", pa.int64())])
    with pytest.raises(InputError, match="column 'age' holds list.* in this source and int64"):
        store.add_fields([pa.field("age", pa.list_(pa.int64()))])
    store.add_fields([pa.field("age", pa.string())])
    assert store.schema.field("age").type == pa.string()


def test_another_encoder_is_turned_away_by_name(store):
    with pytest.raises(StoreError, match="encoder 'pixels' is not 'made-up'"):
        Store.open_or_create(store.path, CARD)


def test_other_weights_under_the_same_name_are_turned_away(store):
    about = json.loads((store.path / "store.json").read_text())
    about["encoder"]["weight_hash"] = "0" * 64
    (store.path / "store.json").write_text(json.dumps(about))
    with pytest.raises(
        StoreError,
        match="weights of 'pixels' are not the same .*: embed the pictures into a new store, or bring the earlier weights back$",
    ):
        _ = Store.open(store.path).encoder


def test_an_encoder_that_was_moved_is_found_where_the_description_says(checkpoint, clades, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(checkpoint, before)
    picture = sorted(clades.glob("images/*/*.jpg"))[0]
    encoder = Encoder.load(str(before))
    embed(open_source(picture), encoder, Store.create(tmp_path / "s", encoder.card))
    before.rename(after)
    about = tmp_path / "s" / "store.json"
    with pytest.raises(EncoderError, match=f"no encoder '{before}'.* if the encoder was moved, .*{about}"):
        Store.open(tmp_path / "s").search(images=[picture])
    about.write_text(about.read_text().replace(str(before), str(after)))
    assert len(Store.open(tmp_path / "s").search(images=[picture]).hits) == 1


def test_an_unknown_id_is_answered_with_one_that_is_there(store, tmp_path):
    with pytest.raises(InputError, match=r"no image_id 'nobody' in .*: there is '[0-9a-f]{32}', for instance;"):
        store.search(image_id="nobody")
    with pytest.raises(InputError, match="no image_id 'nobody' in .*: it is empty"):
        Store.create(tmp_path / "s", CARD).search(image_id="nobody")


def test_a_store_of_a_newer_format_asks_for_an_upgrade(store):
    about = json.loads((store.path / "store.json").read_text())
    about["format_version"] = FORMAT_VERSION + 1
    (store.path / "store.json").write_text(json.dumps(about))
    with pytest.raises(StoreError, match="upgrade"):
        Store.open(store.path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 1, "encoder": {}}'])
def test_a_damaged_store_json_is_an_error_of_one_line(store, text):
    (store.path / "store.json").write_text(text)
    with pytest.raises(StoreError, match="cannot be read") as error:
        Store.open(store.path)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        Store.open(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="is no store"):
        Store.open(tmp_path)


def test_a_folder_with_other_files_is_not_taken_for_a_store(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(StoreError, match="holds thesis.doc"):
        Store.create(tmp_path, CARD)
    with pytest.raises(StoreError, match="is a file"):
        Store.create(tmp_path / "thesis.doc", CARD)


@pytest.mark.parametrize(
    "name", ["~", "~x.store", "a%20b#c?d", "птица 'x' \"y\".store", "[a]*{b,c}", "-x", "s3:x", "n" * 240]
)
def test_a_store_may_be_called_as_folders_may(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store.create(name, CARD).writing():
        pass
    assert Store.open(name).count() == Store.open(tmp_path / name).count() == 0
    assert not cladescope.verify(name).problems


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7f", "bad\udcff"])
def test_a_path_that_the_database_cannot_open_is_refused_and_nothing_is_made(name, tmp_path):
    with pytest.raises(InputError, match="expected a path of letters that UTF-8 has"):
        Store.create(tmp_path / name, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_store_whose_making_was_cut_short_can_be_made_again(tmp_path):
    (tmp_path / "s" / "lance").mkdir(parents=True)
    assert Store.create(tmp_path / "s", CARD).count() == 0


def test_counts_and_deletions_follow_clade_and_condition(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    bird = {"kingdom": "Animalia", "class": "Aves", "order": "Passeriformes"}
    store.write(rows(bird, bird, {"kingdom": "Plantae"}, {}), NO_FAILURES)
    assert (store.count(within="Aves"), store.count(within="Animalia > Passeriformes")) == (2, 2)
    assert store.count(where="class = 'Aves' AND image_id = 'i0'") == 1
    assert store.count(where="`order` IS NULL", within="Plantae") == 1
    assert store.delete(within="Aves", where="image_id = 'i0'") == 1
    assert store.delete(image_ids=["i3", "nobody"]) == 1
    assert store.count() == 2
    with pytest.raises(InputError, match="nothing says which rows"):
        store.delete()
    with pytest.raises(InputError, match="image_ids names no picture: name one or several"):
        store.delete(within="Aves", image_ids=[])
    with pytest.raises(InputError, match=r"image_ids is the text 'i1', expected a list of ids: write \['i1'\]"):
        store.delete(image_ids="i1")
    assert store.count() == 2, "an empty list is not all of the clade"


def test_hemihomonyms_are_told_apart_by_their_path(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    bird = {"kingdom": "Animalia", "family": "Muscicapidae", "genus": "Oenanthe"}
    plant = {"kingdom": "Plantae", "family": "Apiaceae", "genus": "Oenanthe"}
    store.write(rows(bird, plant, plant), NO_FAILURES)
    assert store.count(within="Plantae > Oenanthe") == 2
    with pytest.raises(TaxonError, match="Animalia"):
        store.count(within="Oenanthe")


def test_an_unknown_clade_suggests_the_nearest_names(store):
    name = next(iter(store.taxonomy.taxa("genus"))).name
    with pytest.raises(TaxonError, match=f"did you mean {name}"):
        store.count(within=name + "x")


@pytest.mark.parametrize(
    "where, words",
    [
        ("genus ==== 'x'", "not a condition in SQL"),
        ("genus = 'x' AND", "not a condition in SQL"),
        ("no_such = 3", "no column 'no_such'"),
        ("genus", "not a condition in SQL"),
    ],
)
def test_sql_that_does_not_parse_is_explained(store, where, words):
    with pytest.raises(InputError, match=words) as error:
        store.count(where=where)
    assert "\n" not in str(error.value)


def test_the_ledger_notes_a_failure_once_and_forgets_what_was_mended(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    nothing = rows()
    store.write(nothing, failures_table([failure("/0.jpg"), failure("/1.jpg"), failure("/1.jpg")]))
    assert store.failures.num_rows == 2
    store.write(nothing, failures_table([failure("/0.jpg", reason="empty file: 0 bytes")]))
    assert sorted(store.failures.column("reason").to_pylist()) == ["empty file: 0 bytes", "truncated"]
    store.write(rows({}), NO_FAILURES)
    assert store.failures.column("uri").to_pylist() == ["/1.jpg"]


def test_a_full_disk_is_one_clear_line_and_loses_nothing(store, monkeypatch):
    before = store.count()

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store._images, "add", full)
    table = images_table([Record(image_id="n", uri="/n", source="s")], np.ones((1, 960), np.float16), (), {})
    with pytest.raises(StoreError, match="is full: what was committed is kept"):
        store.write(table, NO_FAILURES)
    assert Store.open(store.path).count() == before


def test_queries_that_say_nothing_or_the_wrong_thing_are_refused(store):
    with pytest.raises(InputError, match="query is empty"):
        store.search()
    with pytest.raises(InputError, match="the query has 3 numbers"):
        store.search(vector=np.ones(3, np.float32))
    with pytest.raises(InputError, match="no image_id 'nobody'"):
        store.search(image_id="nobody")
    with pytest.raises(EncoderError, match="no text side"):
        store.search(text="a bird")
    with pytest.raises(InputError, match="k is 0"):
        store.search(vector=np.ones(960, np.float32), k=0)


def test_an_unknown_encoder_searches_by_id_and_by_nothing_else(tmp_path):
    card = EncoderCard(name="unknown", dim=4, weight_hash=None, transform=None, has_text=False)
    store = Store.create(tmp_path / "s", card)
    store.write(rows({}, {}), NO_FAILURES)
    assert [hit.image_id for hit in store.search(image_id="i0").hits] == ["i1"]
    with pytest.raises(EncoderError, match="unknown encoder"):
        store.search(text="a bird")


def test_a_description_counts_pictures_and_taxa_at_every_rank(store):
    about = store.describe()
    assert about["images"] == 48
    assert about["ranks"]["species"] == {"taxa": 12, "images": 48}
    assert list(about["ranks"]) == list(RANKS)
    assert about["encoder"]["name"] == Encoder.load("pixels").card.name


@pytest.mark.parametrize("path", ["abfs://bucket/x", "https://example.org/x.store", "file:///tmp/x"])
def test_a_url_is_no_path_of_a_store(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for reach in (lambda: Store.create(path, CARD), lambda: Store.open(path), lambda: Store.open_or_create(path, CARD)):
        with pytest.raises(InputError, match=f"found {path[:5]}.*, expected a local path"):
            reach()
    assert not list(tmp_path.iterdir())


def test_a_panic_of_the_engine_is_one_line_of_ours(store):
    with pytest.raises(StoreError, match="could not be read") as error:
        list(store.scan(["uri"], condition="uri = N'x'"))
    assert "\n" not in str(error.value)


def test_labels_and_vectors_reach_arrow_numpy_pandas_and_scikit_learn_in_a_line(store):
    genera = store.table(["genus", "uri"])
    assert genera.column_names == ["genus", "uri"]
    assert store.table().column_names == [name for name in store.schema.names if name != "vector"]
    assert store.matrix().shape == (48, 960)
    np.testing.assert_allclose(np.linalg.norm(store.matrix(), axis=1), 1, atol=1e-3)
    model = KNeighborsClassifier(1).fit(store.matrix(), store.table(["species"])["species"].to_numpy())
    assert model.score(store.matrix(), store.table(["species"])["species"].to_numpy()) == 1
    pandas = pytest.importorskip("pandas")
    assert isinstance(store.table(["species"]).to_pandas(), pandas.DataFrame)


def test_a_table_and_its_vectors_are_of_the_same_rows(store):
    family = str(store.taxonomy.taxa("family")[0])
    where = "species IS NOT NULL AND width > 5"
    table, vectors = store.table(["image_id"], within=family, where=where), store.matrix(within=family, where=where)
    assert 0 < table.num_rows == len(vectors) < 48
    for image_id, vector in zip(table["image_id"].to_pylist(), vectors, strict=True):
        assert store.search(vector=vector, k=1).hits[0].image_id == image_id
    empty = store.table(within=family, where="1 = 2")
    assert (empty.num_rows, len(empty.column_names)) == (0, len(store.schema.names) - 1)
    assert store.matrix(where="1 = 2").shape == (0, 960)
    with pytest.raises(InputError, match="no column 'nothing' in .*: the store has image_id"):
        store.table(["nothing"])


@given(st.text(), st.text(min_size=1))
def test_any_text_can_stand_in_a_condition(text, name):
    assert quote(text)[1:-1].replace("''", "\0").count("'") == 0
    assert condition(pa.schema([]), taxa=[Taxon((name,))]) == f"`kingdom` = {quote(name)}"
