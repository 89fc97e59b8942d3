"""What is Qdrant's own: indexes before points, faults of a server, filters that its engine computes over its graph."""

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from cladescope.errors import StoreError
from cladescope.index.publishing import qdrant, target
from cladescope.index.publishing.publish import publish_store
from cladescope.taxonomy import RANKS
from tests.index.publishing.stores import CLADES, DIM, exact, keys_within, make


@pytest.fixture
def birds(tmp_path):
    return make(tmp_path / "birds.store")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(target, "WAITS", (0.0, 0.0))


def server(faults=()):
    """A client whose server lets it down at the requests that `faults` says, and what it is asked."""
    client, asked, left = QdrantClient(":memory:"), [], list(faults)

    def between(name, method):
        def ask(*args, **named):
            asked.append(name)
            if left and (fault := left.pop(0)) is not None:
                raise fault
            return method(*args, **named)

        return ask

    methods = ("collection_exists", "get_collection", "create_collection", "create_payload_index", "update_collection")
    for name in (*methods, "retrieve", "upsert", "count", "scroll", "delete"):
        setattr(client, name, between(name, getattr(client, name)))
    return client, asked


def answer(status, text="no"):
    return UnexpectedResponse(status, "Reason", text.encode(), httpx.Headers())


def at(client):
    return qdrant.QdrantTarget(client, "birds", url="http://far:6333", is_local=False)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_ranks_and_clades_are_indexed_before_the_first_point_comes(birds):
    client, asked = server()
    publish_store(birds, at(client))
    indexed = [place for place, name in enumerate(asked) if name == "create_payload_index"]
    assert len(indexed) == len(RANKS) + 1
    assert asked.index("create_collection") < indexed[0]
    assert indexed[-1] < asked.index("upsert")
    made = client.get_collection("birds").config.params.vectors
    assert (made.size, made.distance, made.datatype) == (DIM, models.Distance.COSINE, models.Datatype.FLOAT16)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
@pytest.mark.parametrize(
    "fault", [answer(503), answer(429), ResponseHandlingException(httpx.ConnectError("[Errno 111] Connection refused"))]
)
def test_a_server_that_is_busy_or_away_for_a_moment_is_asked_again(birds, fault):
    client, asked = server([fault, None, None, fault, fault])
    assert publish_store(birds, at(client)).added == 60
    assert client.count("birds").count == 60
    assert asked[:2] == ["collection_exists"] * 2


def test_a_server_that_stays_away_is_one_line(birds):
    away = ResponseHandlingException(httpx.ConnectError("[Errno 111] Connection refused"))
    with pytest.raises(
        StoreError, match="at http://far:6333 does not answer .ConnectError.*Connection refused"
    ) as raised:
        publish_store(birds, at(server([away] * 9)[0]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("status, advice", [(401, "environment variable"), (403, "environment variable"), (400, "log")])
def test_a_refusal_is_one_line_and_not_tried_again(birds, status, advice):
    client, asked = server([answer(status, '{"status":\n"Forbidden"}')])
    with pytest.raises(StoreError, match=rf"refuses \({status} Reason.*Forbidden.*{advice}") as raised:
        publish_store(birds, at(client))
    assert "\n" not in str(raised.value)
    assert asked == ["collection_exists"]


def test_a_collection_that_somebody_made_and_left_empty_is_filled_as_it_is(birds):
    client = QdrantClient(":memory:")
    client.create_collection("birds", models.VectorParams(size=DIM, distance=models.Distance.COSINE, on_disk=True))
    place = qdrant.QdrantTarget(client, "birds", url=":memory:", is_local=True)
    assert publish_store(birds, place).added == 60
    assert client.get_collection("birds").config.params.vectors.on_disk


@pytest.mark.parametrize(
    "vectors, reason",
    [
        (models.VectorParams(size=DIM, distance=models.Distance.EUCLID), "compares vectors by euclid"),
        ({"own": models.VectorParams(size=DIM, distance=models.Distance.COSINE)}, "has vectors of several names"),
    ],
)
def test_a_collection_of_other_vectors_is_refused(birds, vectors, reason):
    client = QdrantClient(":memory:")
    client.create_collection("birds", vectors)
    with pytest.raises(StoreError, match=reason):
        publish_store(birds, qdrant.QdrantTarget(client, "birds", url=":memory:", is_local=True))


def test_points_of_somebody_else_are_not_touched(birds):
    client = QdrantClient(":memory:")
    client.create_collection("birds", models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    client.upsert("birds", [models.PointStruct(id=1, vector=[1.0] * DIM)])
    with pytest.raises(StoreError, match="has 1 points that were not published from a store"):
        publish_store(birds, qdrant.QdrantTarget(client, "birds", url=":memory:", is_local=True), overwrite=True)
    assert client.count("birds").count == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves its lock open
def test_a_folder_that_another_process_holds_is_refused(tmp_path):
    first = qdrant.connect(str(tmp_path / "q"), "birds", is_local=True)
    with pytest.raises(StoreError, match="cannot be opened"):
        qdrant.connect(str(tmp_path / "q"), "birds", is_local=True)
    first.close()


def test_the_engine_of_qdrant_finds_in_its_graph_what_the_store_finds_exactly_within_clades_too(tmp_path):
    edge = pytest.importorskip("qdrant_edge", reason="no embedded engine of Qdrant: .ci/publishing runs this")
    store = make(tmp_path / "many.store", 1200)
    client = QdrantClient(":memory:")
    publish_store(store, qdrant.QdrantTarget(client, "birds", url=":memory:", is_local=True))
    graph = edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=1)
    vectors = edge.EdgeVectorParams(
        size=DIM, distance=edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16, hnsw_config=graph
    )
    optimizers = edge.EdgeOptimizersConfig(indexing_threshold=1)
    (tmp_path / "shard").mkdir()
    shard = edge.EdgeShard.create(
        str(tmp_path / "shard"), edge.EdgeConfig(vectors=vectors, hnsw_config=graph, optimizers=optimizers)
    )
    for name in (*RANKS, "clades"):
        shard.update(edge.UpdateOperation.create_field_index(name, edge.PayloadSchemaType.Keyword))
    points, _ = client.scroll("birds", limit=2000, with_vectors=True)
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(one.id, one.vector, one.payload) for one in points]))
    assert shard.optimize()
    assert shard.info().indexed_vectors_count == 1200
    for within in (None, *CLADES):
        keys = None if within is None else edge.MatchAny(keys_within(store, within))
        only = None if keys is None else edge.Filter(must=[edge.FieldCondition(key="clades", match=keys)])
        for query in np.random.default_rng(7).standard_normal((5, DIM)).astype(np.float32):
            asked = edge.QueryRequest(
                limit=10, query=edge.Query.Nearest(query.tolist()), filter=only, with_payload=True,
                params=edge.SearchParams(hnsw_ef=200),
            )  # fmt: skip
            found = shard.query(asked)
            ids, scores = exact(store, query, 10, within=within)
            assert len({*ids} & {one.payload["image_id"] for one in found}) >= 9, within
            np.testing.assert_allclose(found[0].score, scores[0], atol=2e-3)
    shard.close()
