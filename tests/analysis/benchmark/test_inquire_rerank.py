"""INQUIRE-Rerank: read as it is published, and scored as scikit-learn scores each query's own candidates."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, ndcg_score
from sklearn.preprocessing import normalize

from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.questions import Reranking
from cladescope.analysis.benchmark.reranking import ordered_hits, score_reranking
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts


@pytest.fixture
def folder(clades, tmp_path):
    return field_layouts.inquire_rerank(tmp_path / "INQUIRE-Rerank", clades)


def read(path, **options):
    return open_task(path, protocol="inquire-rerank", **options)[0]


def figures(document):
    return {name: figure["value"] for name, figure in document["results"][0]["figures"].items()}


def reranking(query, picture, relevant, splits=None):
    n = max(query) + 1
    return Reranking(
        texts=tuple(f"query {place}" for place in range(n)),
        kinds=("behavior",) * n,
        splits=splits or ("test",) * n,
        query=np.array(query),
        picture=np.array(picture),
        relevant=np.array(relevant, bool),
    )


def test_a_file_that_was_changed_is_embedded_anew(folder):
    before = read(folder).table["image_id"].to_pylist()
    assert read(folder).table["image_id"].to_pylist() == before
    changed, same = sorted((folder / "data").glob("test-*.parquet"))
    os.utime(changed, ns=(1, 1))
    after = read(folder).table
    of_changed = [changed.name in uri for uri in after["uri"].to_pylist()]
    assert [one != other for one, other in zip(before, after["image_id"].to_pylist(), strict=True)] == of_changed
    assert any(of_changed)
    assert any(same.name in uri for uri in after["uri"].to_pylist())


def test_it_is_read_as_it_is_published(folder):
    task = read(folder)
    asked = task.question
    assert asked.texts == ("a wet dog", "nothing", "a fern", "a bird on a wire")
    assert asked.splits == ("test", "test", "test", "validation")
    assert asked.kinds == ("behavior", "behavior", "species", "context")
    assert np.bincount(asked.query).tolist() == [30, 5, 28, 30]
    assert np.bincount(asked.query, weights=asked.relevant).tolist() == [3, 0, 4, 2]
    assert len(task) == 48, "a picture of several queries is one picture"
    assert task.table["uri"][0].as_py() == f"{folder}/data/test-00000-of-00002.parquet#row=0"
    assert task.table["uri"][47].as_py() == f"{folder}/data/test-00001-of-00002.parquet#row=27"
    assert task.left_out == (
        "4 of 4 queries have other than 100 candidates",
        "1 of 4 queries have no relevant candidate and are not asked",
    )
    one = read(folder / "data/validation-00000-of-00002.parquet")
    assert (one.question.texts, one.question.splits) == (("a bird on a wire",), ("validation",))


def test_each_query_is_scored_among_its_own_candidates_as_scikit_learn_scores_it(folder, checkpoint, tmp_path):
    report = evaluate("inquire-rerank", folder, encoders=str(checkpoint), out=tmp_path / "o")
    task = report.evaluations[0].task
    store = Store.open(store_path(tmp_path / "o/stores", task, Encoder.load(str(checkpoint)).card))
    asked, vectors = task.question, normalize(stored_vectors(store, task.image_ids).astype(np.float32))
    texts = normalize(Encoder.load(str(checkpoint)).encode_texts(asked.texts))
    precision, gain, rank = {}, {}, {}
    for query in (0, 2, 3):
        own = asked.query == query
        near, truth = vectors[asked.picture[own]] @ texts[query], asked.relevant[own].astype(int)
        precision[query] = average_precision_score(truth, near)
        gain[query] = ndcg_score([truth], [near])
        rank[query] = 1 / (1 + np.flatnonzero(truth[np.argsort(-near)])[0])
    found = figures(report.documents[0])
    assert found["AP"] == pytest.approx((precision[0] + precision[2]) / 2)
    assert found["nDCG"] == pytest.approx((gain[0] + gain[2]) / 2)
    assert found["reciprocal rank"] == pytest.approx((rank[0] + rank[2]) / 2)
    assert found["AP@50"] == pytest.approx(found["AP"]), "no query has more than 50 candidates"
    assert found["species AP"] == pytest.approx(precision[2])
    assert found["AP, validation"] == pytest.approx(precision[3])
    assert found["context AP@50, validation"] == pytest.approx(precision[3])
    assert "context AP" not in found
    assert report.documents[0]["results"][0]["figures"]["AP"]["n"] == 2
    assert report.documents[0]["settings"] == {"k": 50}
    page = (tmp_path / "o/results.md").read_text()
    assert "not comparable with published figures: 4 of 4 queries have other than 100 candidates" in page
    published = {(one["model"], one["figure"]): one["percent"] for one in report.documents[0]["published"]["figures"]}
    assert published["BioCAP", "species AP"] == 43.0


def test_ap_at_fifty_counts_fifty_places_and_ap_all_of_them():
    """One right picture at place 2, one at place 60 of a hundred, by hand; and what the benchmark's formula gives by scikit-learn."""
    near = np.linspace(0.99, 0.01, 100)
    vectors = np.stack([near, np.sqrt(1 - near**2)], axis=1)
    relevant = np.isin(np.arange(100), (1, 59))
    found, refused = score_reranking(vectors, np.eye(1, 2), reranking([0] * 100, list(range(100)), relevant))
    assert found["AP"].value == pytest.approx((1 / 2 + 2 / 60) / 2)
    assert found["AP"].value == pytest.approx(average_precision_score(relevant, near))
    assert found["AP@50"].value == pytest.approx(1 / 2 / 2)
    worth = 1 / np.log2(1 + np.arange(1, 101))
    assert found["nDCG"].value == pytest.approx((worth[1] + worth[59]) / (worth[0] + worth[1]))
    assert found["nDCG@50"].value == pytest.approx(worth[1] / (worth[0] + worth[1]))
    assert found["nDCG@50"].value == pytest.approx(ndcg_score([relevant], [near], k=50))
    assert found["reciprocal rank"].value == 0.5
    assert refused == {}


def test_scores_fall_where_relevance_is_shuffled():
    rng = np.random.default_rng(0)
    texts = normalize(rng.normal(size=(20, 16)))
    relevant = np.zeros((20, 100), bool)
    relevant[:, :10] = True
    vectors = rng.normal(size=(2000, 16)) + 4 * np.repeat(texts, 100, axis=0) * relevant.reshape(-1, 1)
    query = np.repeat(np.arange(20), 100)
    told = score_reranking(vectors, texts, reranking(query.tolist(), list(range(2000)), relevant.ravel()))
    shuffled = rng.permuted(relevant, axis=1).ravel()
    chance = score_reranking(vectors, texts, reranking(query.tolist(), list(range(2000)), shuffled))
    assert told[0]["AP"].value > 0.8
    assert chance[0]["AP"].value < 0.25
    assert chance[0]["nDCG@50"].value < told[0]["nDCG@50"].value


def test_equally_near_candidates_keep_their_order_and_lists_may_differ_in_length():
    hits, n_relevant = ordered_hits(
        np.array([1, 0, 1, 1, 0]), np.array([0, 1, 1, 0, 0], bool), np.array([0.5, 0.1, 0.5, 0.9, 0.2]), n_queries=3
    )
    assert hits.tolist() == [[False, True, False], [False, False, True], [False, False, False]]
    assert n_relevant.tolist() == [1, 1, 0]


def test_a_query_whose_relevant_pictures_are_lost_is_not_asked_and_counted(folder, checkpoint, tmp_path):
    table = pq.read_table(folder / "data/test-00000-of-00002.parquet").to_pylist()
    for place in (3, 4, 17):
        table[place]["image"] = None
    pq.write_table(pa.Table.from_pylist(table), folder / "data/test-00000-of-00002.parquet")
    report = evaluate("inquire-rerank", folder, encoders=str(checkpoint), out=tmp_path / "o")
    (document,) = report.documents
    assert document["task"]["n_used"] == 45
    assert document["results"][0]["not_applicable"] == {
        "2 of 4 queries": "none of their candidates that could be used is relevant"
    }
    assert document["results"][0]["figures"]["AP"]["n"] == 1
    assert "is empty there" in document["task"]["failed"][0]["reason"]


def test_pictures_may_be_files_and_vectors_of_a_store(folder, clades, checkpoint, tmp_path, run):
    pictures = [path for species in field_layouts.species_folders(clades) for path in species]
    for place, path in enumerate(pictures):
        field_layouts.copy(path, tmp_path / "inat24/train" / f"{place:05}_Animalia/{place}.jpg")
    inside = evaluate("inquire-rerank", folder, encoders=str(checkpoint), out=tmp_path / "o").documents[0]
    for root in (tmp_path / "inat24", tmp_path / "inat24/train"):
        task = read(folder, images=root)
        assert task.table["uri"][0].as_py() == str(tmp_path / "inat24/train/00000_Animalia/0.jpg")
    run("embed", tmp_path / "inat24", "--store", tmp_path / "s", "--encoder", checkpoint)
    report = evaluate("inquire-rerank", folder, images=tmp_path / "inat24", store=tmp_path / "s", out=tmp_path / "p")
    assert figures(report.documents[0]) == pytest.approx(figures(inside))


def test_the_table_of_the_first_release_is_read(clades, tmp_path):
    pictures = [path for species in field_layouts.species_folders(clades) for path in species]
    rows = [["query", "file_name", "relevant"]]
    for place, path in enumerate(pictures[:6]):
        field_layouts.copy(path, tmp_path / "inat24/train_rerank" / f"a/{place}.jpg")
        rows.append(["a fern", f"a/{place}.jpg", int(place < 2)])
    rows += [["a fern", "a/0.jpg", 1], ["", "a/1.jpg", 1], ["a fern", "a/9.jpg", 2]]
    path = field_layouts.write(tmp_path / "inquire/inquire_rerank.csv", rows)
    for given in (path, path.parent):
        task = read(given)
        assert task.table["uri"][1].as_py() == str(tmp_path / "inat24/train_rerank/a/1.jpg")
        assert task.question.relevant.tolist() == [True, True, False, False, False, False]
        assert task.left_out == (
            "1 rows repeat a query and its picture",
            "1 rows have no query, or no picture",
            "1 rows have a relevance other than 0 and 1",
            "1 of 1 queries have other than 100 candidates",
        )


def test_what_is_not_the_published_data_set_is_refused(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"holds no data/test-\*.parquet, data/validation-\*.parquet or inquire_rerank.csv"
    ):
        read(tmp_path)
    table = folder / "data/test-00000-of-00002.parquet"
    pq.write_table(pq.read_table(table).drop_columns("relevant"), table)
    with pytest.raises(InputError, match="has no column 'relevant' .it has 'image', 'query'"):
        read(folder)
    pq.write_table(pa.table({"query": ["a"], "relevant": [1]}), table)
    with pytest.raises(InputError, match="has no column 'image'"):
        read(table)
    table.write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read(table)
    with pytest.raises(InputError, match="no such folder of pictures"):
        read(folder, images=tmp_path / "none")
    field_layouts.write(tmp_path / "inquire_rerank.csv", [["query", "file_name", "relevant"], ["a", "b", "?"]])
    with pytest.raises(InputError, match="has no query with a candidate"):
        read(tmp_path)
    asked = reranking([0, 0], [0, 1], [False, False])
    with pytest.raises(InputError, match="none of 1 queries has a relevant candidate"):
        score_reranking(np.eye(2), np.eye(1, 2), asked)


def rerank_csv(folder, rows):
    (folder / "train_rerank").mkdir(parents=True)
    (folder / "inquire_rerank.csv").write_text("query,file_name,relevant\n" + "".join(f"{row}\n" for row in rows))
    return read(folder)


def test_rows_that_contradict_each_other_are_told_apart_from_those_that_repeat(tmp_path):
    task = rerank_csv(tmp_path / "r", ["owl,a.jpg,1", "owl,b.jpg,0", "owl,a.jpg,1", "owl,b.jpg,1"])
    assert task.question.relevant.tolist() == [True, False]
    assert "1 rows repeat a query and its picture" in task.left_out
    assert "1 rows repeat a query and its picture with another relevance, and the first counts" in task.left_out


def test_every_picture_may_answer_some_query_and_none_may_not(tmp_path):
    task = rerank_csv(tmp_path / "r", ["owl,a.jpg,1", "owl,b.jpg,0", "fern,a.jpg,0", "fern,b.jpg,1"])
    assert len(task.classes) == 1
    with pytest.raises(InputError, match="no candidate of .* answers its query: expected rows that say 1"):
        rerank_csv(tmp_path / "n", ["owl,a.jpg,0", "owl,b.jpg,0"])


def test_a_query_of_both_splits_is_asked_in_each(folder):
    validation = next((folder / "data").glob("validation-*.parquet"))
    rows = pq.read_table(validation).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**row, "query": "a fern"} for row in rows]), validation)
    asked = read(folder).question
    assert [split for text, split in zip(asked.texts, asked.splits, strict=True) if text == "a fern"] == [
        "test",
        "validation",
    ]
