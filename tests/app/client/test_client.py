"""The client asks a service on a port of this machine, and returns what it answers, or raises its own sentence."""

import socket
import threading
from typing import get_type_hints, is_typeddict

import numpy as np
import pytest
import uvicorn

import cladescope
from cladescope.analysis.classify.classifier_file import load_classifier
from cladescope.app.client import answers, map_answers
from cladescope.app.client.map_requests import NO_VALUE
from cladescope.app.server.application import application
from cladescope.app.server.guard import Rules
from cladescope.app.service.plain import plain
from cladescope.app.service.service import Service
from cladescope.errors import CladescopeError, InputError, StoreError, TakenError
from tests.app.server.conftest import break_off, until


@pytest.fixture
def served(store):
    """Serves the store `clades` on a free port, and gives its address; each with rules of its own."""
    running = []

    def serve(rules=None, read_only=False):
        service = Service([store])
        service.start()
        service.warming.join()
        until(lambda: all(one.state != "loading" for one in service.encodings))
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(application(service, rules or Rules(read_only=read_only)), lifespan="off", log_config=None)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, service, listening))
        until(lambda: server.started)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    for server, thread, service, listening in running:
        server.should_exit = True
        thread.join()
        service.stop()
        listening.close()


@pytest.fixture
def client(served):
    """A client of a service that may write."""
    return cladescope.Client(served())


@pytest.fixture
def ids(store):
    """The ids of all pictures."""
    return store.table(["image_id"])["image_id"].to_pylist()


def test_what_is_read_is_what_the_store_holds(client, store, ids, query):
    assert client.health()["ready"]
    assert [one["name"] for one in client.stores()] == ["clades"]
    assert client.store("clades")["images"] == 48
    assert "cladescope_http_requests_total" in client.metrics()
    tree = client.tree("clades", rank="species", limit=5)
    assert (tree["n_children"], len(tree["children"])) == (12, 5)
    assert [row["image_id"] for row in client.all_rows("clades")] == ids
    genus = store.table(["genus"])["genus"].to_pylist()[0]
    some = client.rows("clades", within=[genus], where=["width>=1"], limit=2)
    assert (some["total"], len(some["rows"])) == (store.count(within=genus), 2)
    assert client.row("clades", ids[0])["image_id"] == ids[0]
    assert client.thumbnail("clades", ids[0], side=128).startswith(b"\xff\xd8")
    row = next(row for row in client.all_rows("clades") if row["uri"] == str(query))
    assert client.image("clades", row["image_id"]) == query.read_bytes()


def test_rows_come_as_a_table_page_by_page_or_all_at_once(client, store, ids):
    genus = store.table(["genus"])["genus"].to_pylist()[0]
    some = client.rows_table("clades", within=[genus], where=["width>=1"], limit=2)
    assert (some.num_rows, some.schema.metadata[b"total"]) == (2, str(store.count(within=genus)).encode())
    behind = client.rows_table("clades", within=[genus], cursor=some.schema.metadata[b"next"].decode(), limit=1)
    assert behind["image_id"].to_pylist() == store.table(["image_id"], within=genus)["image_id"].to_pylist()[2:3]
    assert client.all_rows_table("clades").equals(store.table())
    columns = ["image_id", "vector"]
    assert client.all_rows_table("clades", columns=columns, within=[genus]).equals(store.table(columns, within=genus))
    assert client.all_rows_table("clades", where=["width<0"]).num_rows == 0


def test_a_table_that_breaks_off_is_an_error_and_no_shorter_table(client, monkeypatch):
    break_off(monkeypatch)
    with pytest.raises(InputError, match="the answer of http://127.0.0.1:.* breaks off"):
        client.all_rows_table("clades")


def test_searches_find_what_search_finds(client, store, ids, query):
    genus = store.table(["genus"])["genus"].to_pylist()[0]
    same = {"k": 4, "within": [genus], "where": "width >= 1", "exact": True}
    asked = same | {"where": ["width>=1"]}
    expected = plain(store.search(image_id=ids[:2], not_image_id=ids[9:10], **same).to_dict())
    assert client.search("clades", ids=ids[:2], not_ids=ids[9:10], **asked) == expected
    assert client.search_batch("clades", [{"ids": ids[:2], "not_ids": ids[9:10]}], **asked) == [expected]
    expected = plain(store.search(images=[query.read_bytes()] * 2, image_id=ids[:1], **same).to_dict())
    for pictures in ([query, query.read_bytes()], [str(query)] * 2):
        assert client.search_image("clades", pictures, ids=ids[:1], **asked) == expected
    assert client.search_image("clades", query, k=1)["hits"][0]["uri"] == str(query)


def test_a_classifier_is_taught_kept_and_deleted(client, store, ids, query, tmp_path):
    species = store.table(["species"])["species"].to_pylist()
    classes = {
        name: [one for one, own in zip(ids, species, strict=True) if own == name] for name in sorted(set(species))[:3]
    }
    taught = client.teach("clades", classes, n_next=4)
    assert (taught["total"], len(taught["next"])) == (48, 4)
    made = client.fit_classifier("clades", "three", labels=classes)
    assert made["classes"] == 3
    assert client.classifier("clades", "three") == made
    assert [one["name"] for one in client.classifiers("clades")] == ["three"]
    (tmp_path / "three.safetensors").write_bytes(client.classifier_file("clades", "three"))
    assert set(load_classifier(tmp_path / "three.safetensors").labels) == set(classes)
    assert client.classifier_labels("clades", "three").count(b"\n") == 1 + sum(map(len, classes.values()))
    assert client.classifier_report("clades", "three")["name"] == "three"
    named = client.predict("clades", classes[species[0]][:1] if species[0] in classes else ids[:1], classifier="three")
    assert len(named["answers"]) == 1
    assert client.predict_image("clades", query, classifier="three", k=2)["answers"][0]["image_id"] is None
    with pytest.raises(TakenError, match="there is a classifier three"):
        client.fit_classifier("clades", "three", labels=classes)
    client.delete_classifier("clades", "three")
    assert client.classifiers("clades") == []


def test_pictures_are_decided_of_and_put_back(client, ids):
    until(lambda: client.audit("clades")["state"] != "making")
    assert client.audit("clades")["lists"]["label_errors"]
    done = client.decide("clades", [{"image_id": ids[0], "action": "drop"}, {"image_id": ids[1], "action": "keep"}])
    assert (done["dropped"], done["kept"]) == (1, 1)
    assert client.store("clades")["images"] == 47
    assert client.undo("clades", done["entry"])["restored"] == 1
    assert [one["undone"] for one in client.decisions("clades")] == [True]
    until(lambda: client.probes("clades")["state"] != "making")
    assert client.probes("clades")["probes"]


def test_refusals_are_errors_with_the_services_sentence(client, served, ids, tmp_path):
    with pytest.raises(InputError, match="^no store 'dodo': there are clades$"):
        client.store("dodo")
    with pytest.raises(InputError, match="the query is empty"):
        client.search("clades")
    with pytest.raises(InputError, match="none.jpg cannot be read"):
        client.search_image("clades", tmp_path / "none.jpg")
    reader = cladescope.Client(served(read_only=True))
    with pytest.raises(InputError, match="this service is read-only"):
        reader.decide("clades", [{"image_id": ids[0], "action": "keep"}])
    with pytest.raises(InputError, match="no service answers at http://127.0.0.1:9"):
        cladescope.Client("http://127.0.0.1:9").health()
    for address in ("127.0.0.1:8000", "ftp://x", ""):
        with pytest.raises(InputError, match="no address of a service"):
            cladescope.Client(address)


def test_a_store_that_was_deleted_is_a_store_error(client, store):
    (store.path / "store.json").unlink()
    with pytest.raises(StoreError, match="was deleted"):
        client.store("clades")


def test_the_token_is_sent(served):
    address = served(Rules(token="a-token-of-many-letters"))
    assert cladescope.Client(f"{address}/api/v1/", "a-token-of-many-letters").stores()
    with pytest.raises(CladescopeError, match="the token is missing"):
        cladescope.Client(address).stores()


def test_every_request_of_the_service_has_a_method(client, ids, monkeypatch):
    asked = set()

    def noted(self, path, given=None, *, method="GET", **more):
        asked.add((method, path))
        return b""

    def noted_json(self, path, given=None, **more):
        noted(self, path, given, **{key: value for key, value in more.items() if key == "method"})
        return {
            key: []
            for key in (
                "stores",
                "answers",
                "classifiers",
                "entries",
                "rows",
                "next",
                "jobs",
                "taxa",
                "vectors",
                "labels",
                "indexes",
            )
        }

    document = client.openapi()
    monkeypatch.setattr("cladescope.app.client.asking.Asking.data", noted)
    monkeypatch.setattr("cladescope.app.client.asking.Asking.json", noted_json)
    for name, given in {
        "health": (), "metrics": (), "openapi": (), "stores": (), "store": (), "tree": (), "rows": (), "row": ("{image_id}",), "thumbnail": ("{image_id}",),
        "image": ("{image_id}",), "search": (), "search_image": ([b""],), "search_batch": ([],), "predict": ([],), "predict_image": (b"",),
        "classifiers": (), "fit_classifier": ("x",), "classifier": ("{classifier}",), "classifier_file": ("{classifier}",),
        "classifier_labels": ("{classifier}",), "classifier_report": ("{classifier}",), "delete_classifier": ("{classifier}",),
        "teach": ({},), "audit": (), "decide": ([],), "decisions": (), "probes": (),
        "work": (), "taxa": ("a",), "vectors": (), "map": (), "remake_map": (), "map_points": ("k",), "map_codes": ("k", "class"), "map_legend": ("k", "class"),
        "map_labels": ("k", "class"), "map_rows": ("k", [0]), "map_selected": ("k",), "map_indexes": ("k", []), "map_tree": ("k", []), "map_place": ("k", b""),
        "map_match": ("k", "other", "l"), "teach_codes": ("k", {}),
    }.items():  # fmt: skip
        of_store = () if name in ("health", "metrics", "openapi", "stores", "work") else ("{name}",)
        getattr(client, name)(*of_store, *given)
    client.undo("{name}", 7)
    plain_paths = {
        (method, path.replace("%7B", "{").replace("%7D", "}").replace("/decisions/7/", "/decisions/{entry}/"))
        for method, path in asked
    }
    described = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    of_browsers = {("POST", "/session"), ("DELETE", "/session")}
    assert described - of_browsers <= plain_paths


def test_answers_have_the_keys_that_the_service_describes(client):
    schemas = client.openapi()["components"]["schemas"]
    names = {"StoreSummary", "StoreDetails", "TreeAnswer", "Child", "RowsAnswer", "SearchAnswer", "NamesAnswer", "NamedPicture", "Alternative",
             "ClassifierSummary", "ClassifierDetails", "TeachAnswer", "Accuracy", "ClassCount", "NextPicture", "Level", "AuditAnswer", "AuditItem",
             "AuditLists", "DecisionsAnswer", "LogEntry", "Change", "UndoAnswer", "Probe", "ProbesAnswer", "OneQuery", "OneDecision"}  # fmt: skip
    for name in names:
        assert get_type_hints(getattr(answers, name)).keys() == schemas[name]["properties"].keys(), name
    for name, kind in vars(map_answers).items():
        if is_typeddict(kind):
            assert get_type_hints(kind).keys() == schemas[name]["properties"].keys(), name


def test_a_map_comes_as_arrays_that_agree_with_the_store(client, store, ids, query):
    until(lambda: client.map("clades")["state"] == "ready", 120)
    key = client.map("clades")["key"]
    points, codes = client.map_points("clades", key), client.map_codes("clades", key, "class")
    assert points.shape == (48, 2)
    assert np.isfinite(points).all()
    rows = client.map_rows("clades", key, range(48))
    assert sorted(row["image_id"] for row in rows) == sorted(ids)
    name_of = {value["code"]: value["name"] for value in client.map_legend("clades", key, "class")["values"]}
    classes = dict(zip(*store.table(["image_id", "class"]).to_pydict().values(), strict=True))
    assert [name_of[code] for code in codes.tolist()] == [classes[row["image_id"]] for row in rows]
    within = name_of[int(codes[0])]
    assert client.map_selected("clades", key, within=[within]).tolist() == np.flatnonzero(codes == codes[0]).tolist()
    assert client.map_indexes("clades", key, [rows[7]["image_id"], "no picture"]) == [7, None]
    assert client.map_tree("clades", key, [1, 2, 3])["images"] == 3
    assert client.map_match("clades", key, "clades", key).tolist() == list(range(48))
    near = client.map_place("clades", key, query)["nearest"][0]
    assert near["index"] == client.map_indexes("clades", key, [near["image_id"]])[0]
    labels = {one["text"] for one in client.map_labels("clades", key, "class")}
    assert labels <= set(name_of.values())
    assert {job["kind"] for job in client.work()} == {"map"}
    assert client.vectors("clades")[0]["name"] is None
    assert client.taxa("clades", within[:3])[0]["name"].startswith(within[:3])


def test_what_is_taught_comes_as_a_code_for_each_picture_of_the_map(client, store):
    until(lambda: client.map("clades")["state"] == "ready", 120)
    key = client.map("clades")["key"]
    table = store.table(["image_id", "species"]).to_pydict()
    names = list(dict.fromkeys(table["species"]))[:3]
    pairs = list(zip(table["image_id"], table["species"], strict=True))
    classes = {name: [one for one, species in pairs if species == name][:3] for name in names}
    codes = client.teach_codes("clades", key, classes)
    places = client.map_indexes("clades", key, [one for given in classes.values() for one in given])
    assert codes[places].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    told = client.teach("clades", classes)
    counts = np.bincount(codes[codes != NO_VALUE], minlength=3).tolist()
    assert counts == [one["images"] for one in told["counts"]]
    assert int((codes == NO_VALUE).sum()) == told["unsure"]
    with pytest.raises(TakenError, match="map"):
        client.teach_codes("clades", "another", classes)
