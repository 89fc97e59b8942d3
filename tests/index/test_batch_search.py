"""Many queries at once find what each finds alone; what cannot be used is told by row or picture, and the others go on."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cladescope
from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError, StoreError
from cladescope.index import batch_search
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS

DIM, N = 8, 60
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of 60 vectors of six genera, not to be changed."""
    store = Store.create(tmp_path_factory.mktemp("batch") / "s", CARD)
    vectors = normalise(np.random.default_rng(3).standard_normal((N, DIM))).astype(np.float16)
    records = [Record(image_id=f"i{n}", uri=f"/{n}", source="s", labels={"genus": f"Genus{n % 6}"}) for n in range(N)]
    store.write(images_table(records, vectors, (), {}), failures_table([]))
    return store


def random(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)


def alone(store, queries, **options):
    """What single searches find, one after another, as rows."""
    return [
        (number, hit.position, hit.image_id, hit.uri)
        for number, query in enumerate(queries)
        for hit in store.search(vector=query, **options).hits
    ]


def rows(table):
    return list(
        zip(*(table.column(name).to_pylist() for name in ("query", "position", "image_id", "uri")), strict=True)
    )


@settings(max_examples=8)
@given(
    n=st.integers(1, 9),
    k=st.sampled_from([1, 3, N + 5]),
    within=st.sampled_from([None, "Genus2", ["Genus1", "Genus4"]]),
    where=st.sampled_from([None, "image_id > 'i3'", "width > 5"]),
    min_score=st.sampled_from([None, 0.1, 0.99]),
    size=st.sampled_from([1, 4, 1024]),
)
def test_many_queries_find_what_each_finds_alone(made, n, k, within, where, min_score, size):
    queries = random(n, seed=n)
    narrowed = {"k": k, "within": within, "where": where, "min_score": min_score}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_search, "BLOCK_QUERIES", size)
        found = cladescope.search_batch(made, queries, **narrowed)
        table = found.to_arrow()
    assert rows(table) == alone(made, queries, **narrowed)
    singles = [hit.score for query in queries for hit in made.search(vector=query, **narrowed).hits]
    assert table.column("score").to_pylist() == pytest.approx(singles, abs=1e-6)
    assert (found.n_queries, found.n_hits, found.failures) == (n, table.num_rows, [])


def test_pictures_find_what_each_finds_alone(store, clades, tmp_path):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:7]
    (tmp_path / "table.csv").write_text("\n".join(["file", *map(str, pictures)]))
    expected = [
        (str(picture), hit.position, hit.image_id, hit.uri)
        for picture in pictures
        for hit in store.search(images=[picture], k=3).hits
    ]
    for queries in (pictures, tmp_path / "table.csv"):
        table = cladescope.search_batch(store, queries, k=3).to_arrow()
        assert rows(table) == expected
    row = table.to_pylist()[0]
    hit = store.search(images=pictures[:1], k=1).hits[0].to_dict()
    assert {name: row[name] for name in (*RANKS, "common_name")} == {
        name: hit[name] for name in (*RANKS, "common_name")
    }
    in_memory = cladescope.search_batch(store, [pictures[0].read_bytes()], k=3).to_arrow()
    assert in_memory.column("image_id").to_pylist() == [row[2] for row in expected[:3]]
    assert in_memory.column("query")[0].as_py().startswith("memory:")


def test_each_picture_of_a_folder_may_be_left_out_of_its_own_hits(store, clades):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:7]
    found = cladescope.search_batch(store, pictures, k=3, keep_query=False)
    expected = [
        (str(picture), hit.position, hit.image_id, hit.uri)
        for picture in pictures
        for hit in store.search(images=[picture], k=3, keep_query=False).hits
    ]
    assert rows(found.to_arrow()) == expected
    assert (found.own_left_out, found.n_hits) == (7, 21)
    few = cladescope.search_batch(store, pictures, k=3, keep_query=False, min_score=0.999)
    assert (rows(few.to_arrow()), few.own_left_out) == ([], 7)


def test_the_pictures_of_another_store_are_queries(made, tmp_path, monkeypatch):
    other = Store.create(tmp_path / "other", CARD)
    vectors = normalise(random(9)).astype(np.float16)
    records = [Record(image_id=f"o{n}", uri=f"/other/{n}", source="s") for n in range(9)]
    other.write(images_table(records, vectors, (), {}), failures_table([]))
    monkeypatch.setattr(batch_search, "BLOCK_QUERIES", 4)
    found = rows(cladescope.search_batch(made, tmp_path / "other", k=3).to_arrow())
    assert found == [(f"/other/{row[0]}", *row[1:]) for row in alone(made, vectors, k=3)]
    Store.create(tmp_path / "another", replace(CARD, name="another"))
    with pytest.raises(StoreError, match="vectors of another encoder"):
        cladescope.search_batch(made, tmp_path / "another")
    Store.create(tmp_path / "empty", CARD)
    with pytest.raises(InputError, match="empty has no query"):
        cladescope.search_batch(made, tmp_path / "empty").to_arrow()


@pytest.mark.parametrize("kind", ["fixed", "list", "float16", "float64", "npy", "large"])
@pytest.mark.parametrize("name", ["vector", "emb", "mine"])
def test_a_file_of_vectors_is_read_whatever_its_type(made, tmp_path, kind, name):
    queries = random(5)
    if kind == "npy":
        np.save(tmp_path / "q.npy", queries.astype(">f8"))
        path = tmp_path / "q.npy"
    else:
        typed = {
            "fixed": pa.list_(pa.float32(), DIM),
            "list": pa.list_(pa.float32()),
            "large": pa.large_list(pa.float32()),
        }
        type_ = typed.get(kind) or pa.list_({"float16": pa.float16(), "float64": pa.float64()}[kind])
        numbers = queries.astype(np.float16) if kind == "float16" else queries
        column = pa.array([list(row) for row in numbers], type_)
        path = tmp_path / "q.parquet"
        pq.write_table(pa.table({"note": ["a"] * 5, name: column}), path)
    given = queries.astype(np.float16) if kind == "float16" else queries
    assert rows(cladescope.search_batch(made, path, k=4).to_arrow()) == alone(made, given, k=4)


def test_of_several_columns_of_vectors_one_is_named(made, tmp_path):
    queries = random(3)
    columns = {name: pa.array([list(row) for row in sign * queries]) for name, sign in (("a", 1), ("b", -1))}
    pq.write_table(pa.table(columns), tmp_path / "q.parquet")
    with pytest.raises(InputError, match=r"several columns of vectors \(a, b\): name one"):
        cladescope.search_batch(made, tmp_path / "q.parquet")
    table = cladescope.search_batch(made, tmp_path / "q.parquet", column="b", k=2).to_arrow()
    assert rows(table) == alone(made, -queries, k=2)


def test_a_table_of_pictures_with_boxes_is_no_file_of_vectors(store, clades, tmp_path):
    pictures = sorted(clades.glob("images/*/*.jpg"))[:2]
    boxes = pa.array([[0.0, 0.0, 90.0, 90.0]] * 2)
    pq.write_table(pa.table({"file": list(map(str, pictures)), "bbox": boxes}), tmp_path / "t.parquet")
    table = cladescope.search_batch(store, tmp_path / "t.parquet", k=1).to_arrow()
    assert [name.partition("#")[0] for name in table.column("query").to_pylist()] == list(map(str, pictures))


def test_rows_that_are_no_query_are_told_and_the_others_go_on(made, tmp_path):
    queries = random(6)
    lists = [list(map(float, row)) for row in queries]
    lists[1], lists[2], lists[4] = [float("nan")] * DIM, None, [1.0, 2.0]
    lists[5] = [0.0] * DIM
    pq.write_table(pa.table({"vector": pa.array(lists, pa.list_(pa.float32()))}), tmp_path / "q.parquet")
    found = cladescope.search_batch(made, tmp_path / "q.parquet", k=2)
    table = found.to_arrow()
    assert [row[0] for row in rows(table)] == [0, 0, 3, 3]
    assert rows(table)[2:] == [(3, *row[1:]) for row in alone(made, queries[3:4], k=2)]
    assert [line.partition(":")[0] for line in found.failures] == ["row 1", "row 2", "row 4", "row 5"]
    reasons = ["no direction", "null", "another length: 2 numbers", "no direction"]
    assert all(reason in line for reason, line in zip(reasons, found.failures, strict=True))
    assert found.to_arrow().num_rows == 4, "searched anew"
    assert len(found.failures) == 4
    with pytest.raises(InputError, match=r"q.parquet: row 1: vector has no direction"):
        cladescope.search_batch(made, tmp_path / "q.parquet", strict=True).to_arrow()


def test_pictures_that_cannot_be_read_are_told_and_the_others_go_on(store, photos):
    (photos / "bad.jpg").write_text("no picture")
    found = cladescope.search_batch(store, photos, k=1)
    assert found.to_arrow().num_rows == 6
    assert len(found.failures) == 1
    assert found.failures[0].startswith(f"{photos / 'bad.jpg'}: not a picture")
    with pytest.raises(InputError, match="bad.jpg: not a picture"):
        cladescope.search_batch(store, photos, strict=True).to_arrow()


def write(tmp_path, table):
    pq.write_table(pa.table(table), tmp_path / "q.parquet")
    return tmp_path / "q.parquet"


@pytest.mark.parametrize(
    "queries, reason",
    [
        (
            lambda path: write(path, {"emb": pa.array([], pa.list_(pa.float32()))}),
            "has no rows: expected a query in each",
        ),
        (
            lambda path: write(path, {"emb": pa.array([], pa.list_(pa.float32(), 3))}),
            "has no rows: expected a query in each",
        ),
        (
            lambda path: write(path, {"emb": [[1.0, 2.0, 3.0]]}),
            "has vectors of 3 numbers, the store of 8: encode the queries",
        ),
        (
            lambda path: write(path, {"emb": pa.array([None], pa.list_(pa.float32()))}),
            "holds no vectors: expected lists of 8",
        ),
        (
            lambda path: write(path, {"emb": [[0.0] * 8, [float("inf")] * 8]}),
            "none of the 2 queries of .* the first: row 0: ",
        ),
        (lambda path: path / "gone.parquet", "no such file: .*gone.parquet"),
        (lambda path: path / "gone.npy", "no such file: .*gone.npy"),
        (lambda path: path / "gone", "no such file or folder"),
        (lambda path: np.ones((2, 5)), "the array has vectors of 5 numbers, the store of 8"),
        (lambda path: np.ones((0, 8)), "the array has no rows"),
        (lambda path: np.ones(8), r"the queries have the shape \(8,\): expected an array of shape \(queries, 8\)"),
        (lambda path: [], "the list of queries is empty"),
    ],
)
def test_queries_that_are_none_are_refused_in_one_line(made, tmp_path, queries, reason):
    with pytest.raises(InputError, match=reason) as error:
        cladescope.search_batch(made, queries(tmp_path)).to_arrow()
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_refused(made, tmp_path):
    for name in ("q.parquet", "q.npy"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(InputError, match="is no "):
            cladescope.search_batch(made, tmp_path / name)
    np.save(tmp_path / "q.npy", np.arange(8))
    with pytest.raises(InputError, match="expected floats of shape"):
        cladescope.search_batch(made, tmp_path / "q.npy")
    with pytest.raises(InputError, match="has no column 'emb' of vectors"):
        cladescope.search_batch(made, tmp_path, column="emb")
    np.save(tmp_path / "good.npy", random(2))
    with pytest.raises(InputError, match="has no column 'emb' of vectors"):
        cladescope.search_batch(made, tmp_path / "good.npy", column="emb")
    with pytest.raises(StoreError, match="does not exist"):
        cladescope.search_batch(tmp_path / "no.store", random(1))


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_hits_are_written_block_by_block_as_they_are_given(made, tmp_path, ending, monkeypatch):
    monkeypatch.setattr(batch_search, "BLOCK_QUERIES", 3)
    out = tmp_path / f"hits.{ending}"
    found = cladescope.search_batch(made, random(10), k=4, out=out)
    assert (found.n_queries, found.n_hits) == (10, 40)
    with pa.memory_map(str(out)) as file:
        written = pa.ipc.open_file(file).read_all() if ending == "arrow" else pq.read_table(out)
    assert written == found.to_arrow()
    with pytest.raises(InputError, match="is there already"):
        cladescope.search_batch(made, random(1), out=out)
    cladescope.search_batch(made, random(1), k=1, out=out, overwrite=True)
    with pytest.raises(InputError, match=r"hits.csv: expected .arrow or .parquet"):
        cladescope.search_batch(made, random(1), out=tmp_path / "hits.csv")
    with pytest.raises(InputError, match="none of the 1 queries"):
        cladescope.search_batch(made, np.zeros((1, DIM)), out=tmp_path / f"none.{ending}")
    assert not list(tmp_path.glob("*none*")), "nothing is left where it failed"


def test_a_filter_that_matches_nothing_gives_an_empty_table(made):
    found = cladescope.search_batch(made, random(2), where="width > 5")
    table = found.to_arrow()
    assert (table.num_rows, found.n_queries) == (0, 2)
    assert table.schema == found.schema


def test_far_more_hits_than_rows_are_all_rows(made):
    query = random(1)
    everything = [row[2] for row in alone(made, query, k=N)]
    most = 2**31 - 1
    assert [hit.image_id for hit in made.search(vector=query[0], k=most).hits] == everything
    assert [hit.image_id for hit in made.search(vector=query[0], k=most, at_most=N).hits] == everything
    assert [row[2] for row in rows(cladescope.search_batch(made, query, k=most).to_arrow())] == everything
