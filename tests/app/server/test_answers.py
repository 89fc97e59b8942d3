"""Every request is answered as the functions of Python answer the same question."""

from collections import Counter

import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

import cladescope
from cladescope.app.service.encoding import STATES
from cladescope.app.service.plain import plain
from cladescope.app.service.tally import SECONDS
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS


@pytest.fixture
def rows(store):
    """All rows of the store, in the order in which they came."""
    return store.table().to_pylist()


def test_health_says_that_the_service_is_ready_and_what_encodes(client):
    assert client.json("/health") == {
        "ready": True,
        "version": cladescope.__version__,
        "needs_token": False,
        "read_only": True,
        "encoders": [{"name": "pixels", "state": "loaded", "problem": None}],
    }


def test_stores_are_listed_by_the_names_of_their_folders(serving, store, tmp_path):
    other = Store.create(tmp_path / "elsewhere" / "clades.store", store.card)
    odd = Store.create(tmp_path / "my birds?", store.card)
    listed = serving(store, other, odd).json("/stores")["stores"]
    assert [(one["name"], one["images"]) for one in listed] == [("clades", 48), ("clades-2", 0), ("my-birds-", 0)]
    assert {one["encoder"] for one in listed} == {"pixels"}


def test_stores_of_one_encoder_share_it(serving, store, tmp_path):
    client = serving(store, Store.create(tmp_path / "other.store", store.card))
    assert len(client.json("/health")["encoders"]) == 1


def test_a_store_tells_what_info_tells(client, store):
    told, known = client.json("/stores/clades"), cladescope.info(store)
    for word in ("version", "images", "failures", "ranks"):
        assert told[word] == known[word]
    assert told["columns"] == [one for one in known["columns"] if one != "vector"]
    assert (told["dim"], told["has_text"], told["index"]) == (960, False, None)


@pytest.mark.parametrize("is_form", [True, False])
def test_a_search_by_picture_finds_what_search_finds(client, store, query, is_form):
    picture = query.read_bytes()
    sent = {"files": {"file": ("tit.jpg", picture)}} if is_form else {"content": picture}
    answer = client.post("/stores/clades/search/image", params={"k": 7}, **sent)
    assert answer.status_code == 200, answer.text
    assert answer.json() == plain(store.search(images=[picture], k=7).to_dict())
    assert answer.json()["hits"][0]["uri"] == str(query)


def test_a_search_is_narrowed_as_search_is(client, store, query, rows):
    order, species = rows[0]["order"], rows[0]["species"]
    asked = {"k": 40, "within": [order], "where": [f"species!={species}", "width>=96"], "exact": "true"}
    answer = client.post("/stores/clades/search/image", params=asked, content=query.read_bytes()).json()
    where = f"species != '{species}' AND width >= 96"
    assert answer == plain(
        store.search(images=[query.read_bytes()], k=40, within=order, where=where, exact=True).to_dict()
    )
    assert 0 < len(answer["hits"]) < 40


def test_searches_by_id_and_taxon_find_what_search_finds(client, store, rows):
    ids, genus = [rows[3]["image_id"], rows[9]["image_id"]], rows[0]["genus"]
    for asked, same in (
        ({"id": ids[:1]}, {"image_id": ids[:1]}),
        ({"id": ids, "taxon": genus}, {"image_id": ids, "taxon": genus}),
        ({"taxon": [genus, rows[-1]["genus"]]}, {"taxon": [genus, rows[-1]["genus"]]}),
    ):
        assert client.json("/stores/clades/search", params={**asked, "k": 5}) == plain(
            store.search(**same, k=5).to_dict()
        )


def test_a_search_by_text_finds_what_search_finds(serving, photos, tmp_path):
    cladescope.embed(photos, tmp_path / "s.store", encoder="tiny")
    store = Store.open(tmp_path / "s.store")
    client = serving(Store.open(tmp_path / "s.store"))
    asked = {"text": "a photo of a bird", "k": 3}
    assert client.json("/stores/s/search", params=asked) == plain(store.search(**asked).to_dict())
    both = {"text": "a photo of a bird", "id": store.table(["image_id"]).column(0)[0].as_py(), "k": 3}
    found = client.json("/stores/s/search", params=both)["hits"]
    same = store.search(text=both["text"], image_id=both["id"], k=3).hits
    assert [(one["image_id"], round(one["score"], 5)) for one in found] == [
        (one.image_id, round(one.score, 5)) for one in same
    ]


def test_an_encoder_without_a_text_side_says_so(client):
    assert "has no text side" in client.refused("/stores/clades/search", 422, params={"text": "a bird"})


def test_the_tree_is_that_of_the_rows(client, rows):
    def ask(path):
        """The taxa below one, down to the species, as their paths and numbers of pictures."""
        found = client.json("/stores/clades/tree", params={} if path is None else {"under": path})
        assert found["images"] == sum(one["images"] for one in found["children"]) + found["without_rank"]
        for child in found["children"]:
            yield child["taxon"], child["images"]
            assert child["has_children"] == (child["rank"] != "species")
            if child["has_children"]:
                yield from ask(child["taxon"])

    wanted = Counter(
        " > ".join(row[rank] for rank in RANKS[: place + 1]) for row in rows for place in range(len(RANKS))
    )
    assert dict(ask(None)) == wanted


def test_children_have_their_common_names_and_counts_and_come_most_pictured_first(client, store, rows):
    species = rows[0]["species"]
    chosen = [row["image_id"] for row in rows if row["species"] == species][:2]
    store.delete(image_ids=chosen)
    cladescope.relabel(store, _corrections(store, rows, species))
    found = client.json("/stores/clades/tree", params={"rank": "species"})["children"]
    assert [one["images"] for one in found] == [4] * 11 + [2]
    last = found[-1]
    assert (last["name"], last["common_name"], last["species"]) == (species, "crested newt", 1)
    page = client.json("/stores/clades/tree", params={"rank": "species", "limit": 2, "offset": 10})
    assert (page["children"], page["n_children"]) == (found[10:], 12)


def _corrections(store, rows, species):
    path = store.path.parent / "corrected.csv"
    uris = [row["uri"] for row in rows if row["species"] == species][2:]
    path.write_text("file,common_name\n" + "".join(f"{uri},crested newt\n" for uri in uris))
    return path


def test_a_rank_that_is_not_below_a_taxon_is_refused(client, rows):
    genus = rows[0]["genus"]
    told = client.refused("/stores/clades/tree", 422, params={"under": genus, "rank": "order"})
    assert told == f"rank is 'order': below genus {genus} there are species"
    assert "unknown taxon" in client.refused("/stores/clades/tree", 404, params={"under": "Dodo"})


def test_rows_come_in_pages_that_miss_and_repeat_none(client, store, rows):
    found, cursor = [], None
    while True:
        page = client.json("/stores/clades/rows", params={"limit": 10, **({"cursor": cursor} if cursor else {})})
        assert page["total"] == 48
        found += page["rows"]
        if (cursor := page["next"]) is None:
            break
        assert len(page["rows"]) == 10
    assert found == plain(rows)


def test_the_last_page_has_no_next_though_it_is_full(client):
    page = client.json("/stores/clades/rows", params={"limit": 48})
    assert (len(page["rows"]), page["next"]) == (48, None)


def test_a_taxon_is_one_whatever_the_spelling_of_its_rows(serving, photos, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("file,class,order\nphotos/good0.jpg,Aves,Passeriformes\nphotos/good1.jpg,AVES,PASSERIFORMES\n")
    cladescope.embed(table, tmp_path / "two.store", encoder="pixels")
    store = Store.open(tmp_path / "two.store")
    written = pa.table({"image_id": store.table(["image_id"]).column(0), "class": ["Aves", "AVES"]})
    with store.writing():
        store.update(written)
    found = serving(Store.open(tmp_path / "two.store")).json("/stores/two/tree", params={"under": "aves"})
    assert (found["images"], [one["images"] for one in found["children"]]) == (2, [2])


def test_a_page_begins_behind_the_last_row_though_earlier_ones_were_deleted(client, store, rows):
    first = client.json("/stores/clades/rows", params={"limit": 5})
    store.delete(image_ids=[row["image_id"] for row in rows[:4]])
    second = client.json("/stores/clades/rows", params={"limit": 5, "cursor": first["next"]})
    assert [row["image_id"] for row in second["rows"]] == [row["image_id"] for row in rows[5:10]]


def test_rows_are_filtered_by_columns_and_clades(client, rows):
    genera = sorted({row["genus"] for row in rows})[:2]
    page = client.json(
        "/stores/clades/rows", params={"where": [f"genus in {','.join(genera)}"], "within": rows[0]["kingdom"]}
    )
    assert page["rows"] == plain([row for row in rows if row["genus"] in genera])
    assert page["total"] == len(page["rows"]) > 0


def test_a_row_has_all_columns_but_the_vector(client, rows):
    assert client.json(f"/stores/clades/rows/{rows[7]['image_id']}") == plain(rows[7])


def test_ids_with_slashes_and_dots_are_ids(serving, store, tmp_path, query):
    table = tmp_path / "t.csv"
    table.write_text(f"image_id,file\n../a/b c.jpg?x=1,{query}\n")
    cladescope.embed(table, tmp_path / "odd.store", encoder="pixels")
    client = serving(Store.open(tmp_path / "odd.store"))
    assert client.json("/stores/odd/rows/..%2Fa%2Fb%20c.jpg%3Fx=1")["image_id"] == "../a/b c.jpg?x=1"
    assert client.get("/stores/odd/images/..%2Fa%2Fb%20c.jpg%3Fx=1").content == query.read_bytes()


def test_openapi_describes_every_answer_with_examples(client):
    document = client.json("/openapi.json")
    assert document["openapi"].startswith("3.")
    assert {path.removeprefix("/api/v1/stores/{name}") for path in document["paths"]} == {
        "/api/v1/health", "/api/v1/metrics", "/api/v1/stores", "", "/search", "/search/image", "/tree", "/rows",
        "/rows/{image_id}", "/thumbnails/{image_id}", "/images/{image_id}", "/taxa", "/vectors",
        "/api/v1/work", "/api/v1/session", "/map", "/map/remake",
        *(f"/map/{one}" for one in ("points", "codes", "legend", "labels", "rows", "selected", "indexes", "tree", "place/image", "match")),
        "/search/batch", "/predict", "/predict/image", "/classifiers",
        "/classifiers/{classifier}", "/classifiers/{classifier}/file", "/classifiers/{classifier}/labels", "/classifiers/{classifier}/report",
        "/teach", "/teach/codes", "/audit", "/decisions", "/decisions/{entry}/undo", "/probes",
    }  # fmt: skip
    assert document["components"]["schemas"]["Hit"]["properties"]["score"]["examples"] == [0.93]
    for methods in document["paths"].values():
        for told in methods.values():
            assert told["description"]
            assert {"404", "410", "422", "429", "503"} <= set(told["responses"])


def test_metrics_count_requests_by_route_and_batches(client, store, query):
    client.json("/stores/clades")
    client.refused("/stores/dodo", 404)
    client.get("/nowhere")
    client.post("/stores/clades/search/image", content=query.read_bytes())
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    for route, status in (("/stores/{name}", "200"), ("/stores/{name}", "404"), ("none", "404")):
        asked = {"route": route, "method": "GET", "status": status}
        assert found["cladescope_http_requests_total", *sorted(asked.items())] == 1
        assert found["cladescope_http_request_seconds_total", *sorted(asked.items())] > 0
    pixels = ("encoder", "pixels")
    assert found["cladescope_encode_batches_total", pixels] == found["cladescope_encode_items_total", pixels] == 1
    assert found["cladescope_encode_seconds_total", pixels] > 0
    states = {state: found["cladescope_encoders", pixels, ("state", state)] for state in STATES}
    assert states == {"loading": 0, "loaded": 1, "failed": 0}
    assert found[("cladescope_stores",)] == 1
    assert found["cladescope_store_rows", ("store", "clades")] == store.count() == 48
    assert not any(name.endswith("_created") for name, *_ in found)


def test_metrics_tell_how_long_half_and_nearly_all_answers_of_a_route_took(client):
    for seconds in (*[0.003] * 98, 0.3, 0.3):
        client.service.tally.request("/a", "GET", 200, seconds)
    found = samples(client.get("/metrics").text)
    name, route = "cladescope_http_request_duration_seconds", ("route", "/a")
    below = {labels[0][1]: n for (one, *labels), n in found.items() if one == f"{name}_bucket" and route in labels}
    counts = {float(bound): n for bound, n in below.items()}
    assert list(counts) == [*SECONDS, float("inf")]
    assert (counts[0.0025], counts[0.005], counts[0.25], counts[0.5]) == (0, 98, 98, 100)
    assert found[f"{name}_count", route] == 100
    assert found[f"{name}_sum", route] == pytest.approx(0.894)


def test_a_store_that_is_gone_and_one_that_grows_are_seen_in_the_metrics(serving, store, tmp_path):
    other = Store.create(tmp_path / "other.store", store.card)
    client = serving(store, other)
    assert samples(client.get("/metrics").text)["cladescope_store_rows", ("store", "other")] == 0
    (other.path / "store.json").unlink()
    found = samples(client.get("/metrics").text)
    assert ("cladescope_store_rows", ("store", "other")) not in found
    assert (found[("cladescope_stores",)], found["cladescope_store_rows", ("store", "clades")]) == (2, 48)


def samples(text):
    """Each value that Prometheus' own parser reads, by its name and labels; AssertionError where one stands twice."""
    read = [one for family in text_string_to_metric_families(text) for one in family.samples]
    found = {(one.name, *sorted(one.labels.items())): one.value for one in read}
    assert len(found) == len(read)
    return found
