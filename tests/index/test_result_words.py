"""A hit's own words are the search's, whatever a source calls its columns."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import embed
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.table_rules import TableRules
from cladescope.embedding.tables import failures_table, images_table
from cladescope.index.importing import import_vectors, open_vectors
from cladescope.index.store import Store
from cladescope.schema import RESULT_WORDS, STORED_COLUMNS, own_name, shown_names

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
WORDS = ["score", "position", "lineage", "_rowid", "_distance", "_score"]


@pytest.fixture
def manifest(clades, tmp_path):
    """Pictures whose own columns have a result's words."""
    pictures = sorted(clades.glob("images/*/*.jpg"))[:2]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(["file", "species", *WORDS])
        written.writerow([pictures[0], "Parus major", 0.12, "dorsal", "a", 7, 8, 9])
        written.writerow([pictures[1], "Parus ater", 0.98, "ventral", "b", 7, 8, 9])
    return tmp_path / "m.csv"


def test_the_columns_of_a_source_stand_beside_the_words_of_a_hit(manifest, tmp_path):
    encoder = Encoder.load("pixels")
    store = Store.create(tmp_path / "s", encoder.card)
    summary = embed(open_source(manifest, rules=TableRules(types={"score": pa.float64()})), encoder, store)
    assert summary.renamed == {word: f"manifest_{word}" for word in WORDS}
    query = manifest.read_text().splitlines()[1].partition(",")[0]
    hit = store.search(images=[query]).hits[0].to_dict()
    assert (hit["position"], hit["lineage"].split(" > ")[-1]) == (1, "Parus major")
    assert hit["score"] > 0.99
    assert (hit["manifest_score"], hit["manifest_position"], hit["manifest_lineage"]) == (0.12, "dorsal", "a")
    assert (hit["manifest__rowid"], hit["manifest__distance"]) == ("7", "8")
    assert store.count(where="manifest_score > 0.5") == 1


def test_table_csv_and_json_say_the_same_and_the_job_tells_of_the_names(manifest, tmp_path, run):
    embedded = run("embed", manifest, "--store", tmp_path / "s", "--encoder", "pixels")
    assert "column 'score' of the source is kept as 'manifest_score'" in embedded.err
    query = manifest.read_text().splitlines()[1].partition(",")[0]
    asked = ("search", tmp_path / "s", "--image", query)
    first = run(*asked, "--json").json["hits"][0]
    assert (first["position"], first["manifest_position"]) == (1, "dorsal")
    assert first["score"] > 0.99
    row = run(*asked, "--csv").rows[0]
    assert (row["position"], row["manifest_position"], float(row["score"])) == ("1", "dorsal", first["score"])
    assert list(row) == list(first)
    position, score = run(*asked, "--keep-query").out.splitlines()[1].split()[:2]
    assert (position, float(score)) == ("1", pytest.approx(first["score"], abs=1e-3))


def test_imported_vectors_keep_their_columns_too(tmp_path):
    table = pa.table({"id": ["a", "b"], "emb": np.eye(4)[:2].tolist(), "score": [0.1, 0.2]})
    pq.write_table(table, tmp_path / "v.parquet")
    store = Store.create(tmp_path / "s", CARD)
    assert import_vectors(open_vectors(tmp_path / "v.parquet"), store).renamed == {"score": "manifest_score"}
    first = store.search(vector=np.eye(4, dtype=np.float32)[1]).hits[0]
    assert (first.image_id, first.score, first.extra) == ("b", 1.0, {"manifest_score": 0.2})


@pytest.fixture
def older(tmp_path):
    """A store as 0.1.0 wrote it, with a column `score`."""
    store = Store.create(tmp_path / "older", CARD)
    field = pa.field("score", pa.float64())
    store.add_fields([field])
    record = Record(image_id="i0", uri="/0.jpg", source="s", extra={"score": 0.5})
    store.write(images_table([record], np.eye(4, dtype=np.float16)[:1], [field], {}), failures_table([]))
    return store


def test_a_store_written_before_shows_its_column_under_the_other_name(older):
    (hit,) = older.search(vector=np.eye(4, dtype=np.float32)[0]).hits
    assert (hit.score, hit.to_dict()["score"], hit.extra) == (1.0, 1.0, {"manifest_score": 0.5})
    assert older.count(where="score = 0.5") == 1


def test_a_store_written_before_goes_on_in_one_column(older, tmp_path):
    table = pa.table({"id": ["b"], "emb": np.eye(4)[1:2].tolist(), "score": [0.2]})
    pq.write_table(table, tmp_path / "v.parquet")
    import_vectors(open_vectors(tmp_path / "v.parquet"), older)
    hits = older.search(vector=np.eye(4, dtype=np.float32)[0]).hits
    assert [hit.extra for hit in hits] == [{"manifest_score": 0.5}, {"manifest_score": 0.2}]


def test_every_word_of_a_hit_is_reserved(older):
    (hit,) = older.search(vector=np.eye(4, dtype=np.float32)[0]).hits
    words = set(hit.to_dict()) - set(hit.extra)
    assert words - STORED_COLUMNS == RESULT_WORDS
    assert all(own_name(word) == f"manifest_{word}" for word in words)
    assert shown_names(["score", "manifest_score"]) == {
        "score": "manifest_manifest_score",
        "manifest_score": "manifest_score",
    }
