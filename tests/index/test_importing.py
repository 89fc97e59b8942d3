import csv
import threading

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources import vector_file
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.index import importing
from cladescope.index.importing import import_vectors, open_vectors
from cladescope.index.store import Store
from tests.conftest import SHARED_DATA


def new_store(path, dim):
    return Store.create(path, EncoderCard(name="x", dim=dim, weight_hash=None, transform=None, has_text=False))


def vectors(n, d=8, seed=0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * 7).astype(np.float32)


def write_parquet(path, emb, **columns):
    pq.write_table(pa.table({"emb": pa.array(emb), **columns}), path)
    return path


def test_names_that_enter_in_another_spelling_are_counted(tmp_path):
    path = write_parquet(tmp_path / "v.parquet", vectors(3).tolist(), genus=["Parus", "parus", "Parus\u200b"])
    store = new_store(tmp_path / "s", 8)
    assert import_vectors(open_vectors(path), store).respelt == 2
    assert [taxon.path[-1] for taxon in store.taxonomy] == ["Parus"]
    assert store.count(where="genus = 'Parus'") == 3


def test_a_parquet_table_in_emb_explorer_form_becomes_a_store(tmp_path):
    made = vectors(5)
    path = write_parquet(
        tmp_path / "v.parquet",
        made.tolist(),
        uuid=[f"u{i}" for i in range(5)],
        kingdom=["Animalia"] * 5,
        genus=["Parus"] * 5,
        species=["major"] * 5,
        img_type=["Citizen Science"] * 5,
    )
    store = new_store(tmp_path / "s", 8)
    summary = import_vectors(open_vectors(path), store)
    assert (summary.embedded, summary.failed) == (5, 0)
    ((ids, stored),) = store.vectors()
    expected = made / np.linalg.norm(made, axis=1, keepdims=True)
    np.testing.assert_allclose(stored, expected, atol=1e-3)
    row = store.rows(ids[:1].tolist(), ["image_id", "species", "img_type", "content_hash"])[0]
    assert (row["image_id"], row["species"], row["img_type"]) == ("u0", "Parus major", "Citizen Science")
    assert row["content_hash"] is None
    again = import_vectors(open_vectors(path), store)
    assert (again.embedded, again.already_stored) == (0, 5)


def test_rows_that_cannot_be_stored_stand_in_the_ledger(tmp_path):
    emb = [*vectors(3).tolist(), [0.0] * 8, [float("nan")] * 8, [1.0] * 5, None]
    path = write_parquet(tmp_path / "v.parquet", emb, uuid=["a", "b", "a", "d", "e", "f", "g"])
    store = new_store(tmp_path / "s", 8)
    summary = import_vectors(open_vectors(path), store)
    assert (summary.records, summary.embedded, summary.failed) == (7, 2, 5)
    reasons = {row["image_id"]: row["reason"] for row in store.failures.to_pylist()}
    assert "came before" in reasons["a"]
    assert "no direction" in reasons["d"]
    assert "no direction" in reasons["e"]
    assert "5 numbers, others have 8" in reasons["f"]
    assert "null" in reasons["g"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "npy"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_vector_without_direction_is_one_failed_row_whatever_its_size_and_type(tmp_path, dtype, kind, ragged):
    sizes = [1e-60, 5e-324, 1e-45, 1e-39, 0.0, np.nan, np.inf, -np.inf, 1e39, 1e300, 1e-7, 1e-30, 6e4, 3e38, 1.0]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        sizes = np.asarray(sizes).astype(dtype)
        made = sizes[:, None] * np.array([1, -1, 0, 0.5], dtype)
    names = [f"{n}" for n in range(len(made))]
    good = np.isfinite(sizes) & (np.abs(sizes.astype(np.float64)) >= 1.2e-38) & (np.abs(sizes.astype(float)) < 3.5e38)
    if kind == "npy":
        np.save(tmp_path / "v.npy", made)
        pyarrow.csv.write_csv(pa.table({"image_id": names}), tmp_path / "v.csv")
    else:
        emb = [*made, None] if ragged else list(made)
        emb = pa.array(emb, pa.list_(pa.from_numpy_dtype(np.dtype(dtype))))
        write_parquet(tmp_path / "v.parquet", emb, image_id=names + ["none"] * ragged)
    store = new_store(tmp_path / "s", 4)
    import_vectors(open_vectors(tmp_path / f"v.{kind}"), store)
    stored = [row["image_id"] for batch in store.scan(["image_id"]) for row in batch.to_pylist()]
    assert stored == [name for name, usable in zip(names, good, strict=True) if usable]
    failed = {row["image_id"] for row in store.failures.to_pylist() if "no direction" in row["reason"]}
    assert failed == {name for name, usable in zip(names, good, strict=True) if not usable}
    expected = np.array([1, -1, 0, 0.5]) / 1.5
    for _, found in store.vectors():
        np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.01)


@pytest.mark.parametrize("order, kind", [("C", "csv"), ("F", "csv"), ("C", "parquet")])
def test_an_array_and_the_table_beside_it_become_a_store(tmp_path, order, kind):
    made = np.asarray(vectors(6), order=order).astype(np.float16)
    np.save(tmp_path / "v.npy", made)
    with (tmp_path / "v.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "class", "order", "age"])
        writer.writerows([[f"i{n}", "Aves", "", n] for n in range(6)])
    if kind == "parquet":
        pq.write_table(pyarrow.csv.read_csv(tmp_path / "v.csv"), tmp_path / "v.parquet")
        (tmp_path / "v.csv").unlink()
    store = new_store(tmp_path / "s", 8)
    source = open_vectors(tmp_path / "v.npy", rules=TableRules(types={"age": pa.int64()}))
    assert import_vectors(source, store).embedded == 6
    assert store.count(where="class = 'Aves' AND age >= 3 AND `order` IS NULL") == 3
    assert [hit.image_id for hit in store.search(vector=made[4].astype(np.float32), k=1).hits] == ["i4"]


def test_rows_without_an_id_are_named_after_their_path_or_place(tmp_path):
    path = write_parquet(
        tmp_path / "v.parquet", vectors(4).tolist(), uuid=["a", None, " ", "d"], file=["/a.jpg", "/b.jpg", None, "  "]
    )
    store = new_store(tmp_path / "s", 8)
    assert import_vectors(open_vectors(path), store).embedded == 4
    rows = [row for batch in store.scan(["image_id", "uri"]) for row in batch.to_pylist()]
    uris = ["/a.jpg", "/b.jpg", f"{path}#row=2", f"{path}#row=3"]
    assert [row["uri"] for row in rows] == uris
    assert [row["image_id"] for row in rows] == ["a", id_of_uri(uris[1]), id_of_uri(uris[2]), "d"]


def test_only_rows_that_fail_become_python_objects(tmp_path, monkeypatch):
    made = []

    def counted(**values):
        made.append(values["image_id"])
        return Record(**values)

    monkeypatch.setattr(importing, "Record", counted)
    emb = vectors(40)
    emb[7] = 0
    path = write_parquet(tmp_path / "v.parquet", emb.tolist(), uuid=[f"u{n % 39}" for n in range(40)])
    summary = import_vectors(open_vectors(path), new_store(tmp_path / "s", 8))
    assert (summary.records, summary.embedded, summary.failed) == (40, 38, 2)
    assert made == ["u7", "u0"]


@pytest.mark.parametrize("batch_rows, commit_rows", [(1, 1), (3, 4), (5, 100)])
def test_batches_and_commits_do_not_change_what_an_import_stores(tmp_path, monkeypatch, batch_rows, commit_rows):
    emb = [*vectors(12).tolist(), None, [0.0] * 8, [1.0] * 3, vectors(1)[0].tolist()]
    names = [f"u{n}" for n in [*range(12), 3, 12, 13, 3]]
    path = write_parquet(tmp_path / "v.parquet", emb, uuid=names, genus=["Parus", None] * 8)
    summaries, stored = [], []
    for name in ("whole", "pieces"):
        if name == "pieces":
            monkeypatch.setattr(vector_file, "BATCH_ROWS", batch_rows)
            monkeypatch.setattr(importing, "COMMIT_ROWS", commit_rows)
        store = new_store(tmp_path / name, 8)
        summary = import_vectors(open_vectors(path), store)
        summaries.append((summary.records, summary.embedded, summary.failures_by_reason))
        rows = [row for batch in store.scan(["image_id", "uri", "genus", "vector"]) for row in batch.to_pylist()]
        stored.append((rows, sorted(row["reason"] for row in store.failures.to_pylist())))
    assert summaries[0] == summaries[1]
    assert stored[0] == stored[1]


def test_an_import_that_is_asked_to_stop_keeps_what_it_read_and_goes_on_later(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_file, "BATCH_ROWS", 4)
    path = write_parquet(tmp_path / "v.parquet", vectors(20).tolist(), uuid=[f"u{n}" for n in range(20)])
    store, stop = new_store(tmp_path / "s", 8), threading.Event()
    done = []

    def after_two(progress):
        done.append(progress.done)
        if progress.done >= 8:
            stop.set()

    summary = import_vectors(open_vectors(path), store, progress=after_two, stop=stop)
    assert (summary.stopped, summary.embedded, store.count()) == (True, 8, 8)
    assert done[:2] == [4, 8]
    again = import_vectors(open_vectors(path), store)
    assert (again.embedded, again.already_stored, again.stopped) == (12, 8, False)


def test_an_array_and_a_table_of_other_lengths_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", vectors(3))
    (tmp_path / "other.csv").write_text("image_id\na\nb\n")
    with pytest.raises(InputError, match="3 vectors and .* 2 rows"):
        open_vectors(tmp_path / "v.npy", metadata=tmp_path / "other.csv")
    with pytest.raises(InputError, match="says nothing of its rows"):
        open_vectors(tmp_path / "v.npy")


def test_files_without_vectors_say_what_was_expected(tmp_path):
    (tmp_path / "v.txt").write_text("x")
    (tmp_path / "text.parquet").write_text("x")
    (tmp_path / "text.npy").write_text("x")
    np.save(tmp_path / "flat.npy", np.ones(3))
    np.save(tmp_path / "whole.npy", np.ones((3, 3), int))
    pq.write_table(pa.table({"file": ["a"]}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"e1": [[1.0]], "e2": [[1.0]]}), tmp_path / "two.parquet")
    for name, words in {
        "nowhere.npy": "no such file",
        "v.txt": "neither .parquet nor .npy",
        "text.parquet": "no Parquet table",
        "text.npy": "no .npy array",
        "flat.npy": "expected floats of shape",
        "whole.npy": "expected floats of shape",
        "none.parquet": "no column of vectors among file",
        "two.parquet": r"several columns of vectors \(e1, e2\)",
    }.items():
        with pytest.raises(InputError, match=words):
            open_vectors(tmp_path / name)
    assert open_vectors(tmp_path / "two.parquet", column="e2").dim == 1
    with pytest.raises(InputError, match="column 'e3' of .* e1, e2"):
        open_vectors(tmp_path / "two.parquet", column="e3")


def test_vectors_of_another_length_than_the_stores_are_refused(tmp_path):
    path = write_parquet(tmp_path / "v.parquet", vectors(2).tolist())
    with pytest.raises(InputError, match="vectors of 8 numbers, the store of 4"):
        import_vectors(open_vectors(path), new_store(tmp_path / "s", 4))


def test_real_bioclip_2_vectors_come_in_with_their_ranks(tmp_path):
    path = SHARED_DATA / "vectors" / "bioclip2_tol200m_1030.parquet"
    if not path.exists():
        pytest.skip("needs ../shared/data/vectors, which is not part of the project")
    store = new_store(tmp_path / "s", 768)
    assert import_vectors(open_vectors(path), store).embedded == 1030
    ranks = store.describe()["ranks"]
    assert ranks["species"]["taxa"] == 790
    (ids, stored), *_ = store.vectors()
    np.testing.assert_allclose(np.linalg.norm(stored.astype(np.float32), axis=1), 1, atol=2e-3)


def test_labels_that_differ_on_a_second_run_are_counted_and_relabel_takes_them_over(run, vectors, tmp_path):
    command = ("import", vectors, "--store", tmp_path / "s", "--encoder", "unknown")
    assert run(*command).status == 0
    again = run(*command)
    assert "have other labels" not in again.err
    table = pq.read_table(vectors)
    names = ["Parus ater", None, *table["species"].to_pylist()[2:]]
    pq.write_table(table.set_column(table.column_names.index("species"), "species", pa.array(names)), vectors)
    ended = run(*command, "--json")
    assert (ended.json["already_stored"], ended.json["embedded"]) == (20, 0)
    (note,) = ended.json["notes"]
    assert note.startswith("1 picture that is stored has other labels in emb.parquet")
    assert "1 picture relabelled" in run("relabel", tmp_path / "s", vectors).out
    store = Store.open(tmp_path / "s")
    assert store.row("u0", ["species"])["species"] == "Parus ater"
    assert "emb" not in store.schema.names
    assert run(*command, "--json").json["notes"] == []


def test_a_file_that_strict_refuses_adds_no_column_and_no_row(run, fails, vectors, tmp_path):
    table = pq.read_table(vectors)
    table = table.append_column("mine", pa.array(["x"] * 20))
    species = pa.array([*table["species"].to_pylist()[:-1], "NA"])
    pq.write_table(table.set_column(table.column_names.index("species"), "species", species), vectors)
    command = ("import", vectors, "--store", tmp_path / "s", "--encoder", "unknown", "--strict")
    assert "row 20 of" in fails(*command)
    store = Store.open(tmp_path / "s")
    assert (store.count(), "mine" in store.schema.names) == (0, False)
