"""The map of a store over HTTP: its points, codes, legends, names, selections, trees and matches agree with the store."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import cladescope
from cladescope.analysis.maps.colours import taxon_colours
from cladescope.app.service import map_layout
from cladescope.app.service.map_made import MadeMap
from cladescope.app.service.map_rows import MapRows
from cladescope.app.service.work import Job
from cladescope.index.store import Store
from cladescope.taxonomy import Taxon
from tests.app.server.conftest import until

M = "/stores/clades/map"
JOB = Job(id=1, kind="map", store="clades", key="", do=lambda job: None)
"""A job that nobody asks after."""


def made(client, path=M, **asked):
    """The map once it is ready, or has failed."""
    answers = []

    def is_there():
        answers.append(client.json(path, **asked))
        return answers[-1]["state"] != "making"

    until(is_there, 120)
    return answers[-1]


def numbers(client, path, kind, **asked):
    """A typed array of an answer."""
    answer = client.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    return np.frombuffer(answer.content, kind)


def kept_neighbours(store, image_ids, points):
    """The share of pictures whose nearest on a map is among the ten most similar of the 47 others."""
    order = {one: place for place, one in enumerate(store.table(["image_id"]).column(0).to_pylist())}
    vectors = store.matrix()[[order[one] for one in image_ids]]
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    far = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(far, np.inf)
    best = np.argsort(-alike, axis=1)[:, :10]
    return np.mean([near in row for near, row in zip(far.argmin(axis=1).tolist(), best.tolist(), strict=True)])


@pytest.fixture
def ready(client):
    """A map that is ready."""
    return made(client)


@pytest.fixture
def rows(client, ready, store):
    """The store's rows in map order, by the service's own word for which picture is which."""
    table = store.table().to_pylist()
    asked = client.post(f"{M}/indexes", params={"key": ready["key"]}, json={"ids": [row["image_id"] for row in table]})
    places = asked.json()["indexes"]
    assert sorted(places) == list(range(len(table)))
    return [row for _, row in sorted(zip(places, table, strict=True), key=lambda one: one[0])]


def test_the_first_request_begins_to_make_it_and_work_tells_so(serving, store):
    client = serving(store)
    assert client.json("/work") == {"jobs": []}
    first = client.json(M)
    assert first["state"] == "making"
    found = made(client)
    (job,) = client.json("/work")["jobs"]
    assert (job["kind"], job["store"], job["state"], job["problem"]) == ("map", "clades", "done", None)
    assert (found["n"], found["method"], found["encoder"], found["stale"]) == (48, "umap", "pixels", False)
    assert found["version"] == store.version
    assert 0.5 < found["trustworthiness"]["value"] <= 1
    listed = {one["name"]: one for one in found["columns"]}
    assert listed["species"] == {"name": "species", "kind": "rank", "n_values": 12, "n_given": 48}
    assert listed["width"]["kind"] == "number"
    assert listed[found["color"]]["kind"] == "rank"
    assert not {"image_id", "uri", "vector", "content_hash"} & set(listed)


def test_it_is_kept_for_the_next_service(serving, store):
    first = made(serving(store))
    assert (store.path / "maps" / "own.arrow").is_file()
    client = serving(Store.open(store.path))
    assert client.json(M)["key"] == first["key"]
    assert client.json("/work") == {"jobs": []}


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 but no more", None])
def test_a_map_that_is_damaged_or_says_another_encoder_is_made_anew(serving, store, damage):
    made(serving(store))
    file = store.path / "maps" / "own.arrow"
    if damage is None:
        damage = file.read_bytes().replace(b"pixels", b"pixelz")
    file.write_bytes(damage)
    client = serving(Store.open(store.path))
    assert client.json(M)["state"] == "making"
    assert made(client)["n"] == 48


def test_points_are_of_the_pictures_and_near_their_like(client, ready, rows, store):
    points = numbers(client, f"{M}/points", "<f4", key=ready["key"]).reshape(-1, 2)
    assert points.shape == (48, 2)
    assert ready["x"] == [points[:, 0].min(), points[:, 0].max()]
    assert ready["y"] == [points[:, 1].min(), points[:, 1].max()]
    assert kept_neighbours(store, [row["image_id"] for row in rows], points) > 0.8


@pytest.mark.parametrize("by", ["kingdom", "order", "genus", "species", "common_name"])
def test_codes_and_legend_say_what_each_picture_has(client, ready, rows, by):
    codes = numbers(client, f"{M}/codes", "<u2", key=ready["key"], by=by).tolist()
    legend = client.json(f"{M}/legend", params={"key": ready["key"], "by": by})
    assert (legend["by"], legend["kind"], legend["least"], legend["most"]) == (by, "category", None, None)
    values = {one["code"]: one for one in legend["values"]}
    assert [values[code]["name"] if code != 65535 else None for code in codes] == [row[by] or None for row in rows]
    counts = Counter(row[by] for row in rows if row[by])
    assert {one["name"]: one["images"] for one in legend["values"]} == counts
    assert [one["images"] for one in legend["values"]] == sorted(counts.values(), reverse=True)
    assert legend["without"] == 48 - counts.total()
    assert sum(one["named"] for one in legend["values"]) == min(20, len(counts))


def test_related_taxa_have_the_colours_of_a_drawn_map(client, ready, rows):
    legend = client.json(f"{M}/legend", params={"key": ready["key"], "by": "species"})
    sizes = Counter(Taxon.from_ranks(row).path for row in rows)
    for shade, dark in (("color", False), ("dark", True)):
        expected = {" > ".join(filter(None, path)): hue for path, hue in taxon_colours(sizes, dark=dark).items()}
        assert {one["value"]: one[shade] for one in legend["values"]} == expected
    commons = {row["species"]: row["common_name"] for row in rows}
    assert {one["name"]: one["common_name"] for one in legend["values"]} == commons


def test_numbers_have_256_steps(serving, store, tmp_path):
    table = store.table(["image_id", "uri"]).to_pylist()
    lines = [
        f"{row['uri']},{value}" for row, value in zip(table, ["", "nan", "-5", "0", "95", *["3"] * 43], strict=True)
    ]
    (tmp_path / "t.csv").write_text("file,depth\n" + "\n".join(lines))
    cladescope.embed(tmp_path / "t.csv", tmp_path / "n.store", encoder="pixels", types={"depth": "float"})
    client = serving(Store.open(tmp_path / "n.store"))
    found = made(client, "/stores/n/map")
    asked = {"key": found["key"], "by": "depth"}
    legend = client.json("/stores/n/map/legend", params=asked)
    assert legend == {"by": "depth", "kind": "number", "values": [], "without": 2, "least": -5.0, "most": 95.0}
    codes = Counter(numbers(client, "/stores/n/map/codes", "<u2", **asked).tolist())
    assert codes == {65535: 2, 0: 1, int(5 / 100 * 256): 1, 255: 1, int(8 / 100 * 256): 43}
    # There are no ranks, no labels but of folders, and nothing breaks for that.
    assert client.json("/stores/n/map/labels", params=asked) == {"labels": []}


def test_names_stand_among_their_pictures(client, ready, rows):
    points = numbers(client, f"{M}/points", "<f4", key=ready["key"]).reshape(-1, 2)
    labels = client.json(f"{M}/labels", params={"key": ready["key"], "by": "species"})["labels"]
    assert {one["text"] for one in labels} == {row["species"] for row in rows}
    assert [one["images"] for one in labels] == sorted((one["images"] for one in labels), reverse=True)
    for one in labels:
        own = [points[place].tolist() for place, row in enumerate(rows) if row["species"] == one["text"]]
        assert [one["x"], one["y"]] in own


def test_cards_tell_of_pictures_by_their_index(client, ready, rows):
    asked = client.json(f"{M}/rows", params={"key": ready["key"], "index": [47, 0, 7]})["rows"]
    assert [one["index"] for one in asked] == [47, 0, 7]
    for one in asked:
        row = rows[one["index"]]
        assert one == {
            "index": one["index"],
            "image_id": row["image_id"],
            "uri": row["uri"],
            "label": row.get("label"),
            "lineage": str(Taxon.from_ranks(row)),
            "common_name": row["common_name"],
            "species": row["species"],
            "name": Taxon.from_ranks(row).name,
        }
    assert "count from 0" in client.refused(f"{M}/rows", 422, params={"key": ready["key"], "index": [0, 48]})
    client.refused(f"{M}/rows", 422, params={"key": ready["key"], "index": list(range(48)) * 11})


def test_clades_are_the_same_by_the_database_and_by_lineages_at_hand(ready, store, rows, monkeypatch):
    monkeypatch.setattr(MapRows, "_prepare", lambda self: None)
    map_rows = MapRows(MadeMap.load(store.path / "maps" / "own.arrow"), store)
    names = [rows[3]["genus"], rows[5]["order"]]
    by_database = map_rows.selected(names, ())
    assert "lineages" not in vars(map_rows)
    _ = map_rows.lineages
    monkeypatch.setattr(map_rows.reader, "scan", None)
    assert map_rows.selected(names, ()).tolist() == by_database.tolist()
    assert 0 < len(by_database) < 48


def test_filters_select_the_same_pictures_as_in_the_store(client, ready, rows):
    def chosen(**asked):
        return numbers(client, f"{M}/selected", "<u4", key=ready["key"], **asked).tolist()

    genus, order = rows[3]["genus"], rows[5]["order"]
    assert chosen() == list(range(48))
    assert chosen(within=genus) == [place for place, row in enumerate(rows) if row["genus"] == genus]
    both = chosen(within=order, where=["width>=1", f"genus!={genus}"])
    assert both == [place for place, row in enumerate(rows) if row["order"] == order and row["genus"] != genus]
    assert chosen(where="width<0") == []
    assert client.refused(f"{M}/selected", 404, params={"key": ready["key"], "within": "Dodo"})
    assert client.refused(f"{M}/selected", 422, params={"key": ready["key"], "where": "1=1 --"})


def test_the_tree_of_all_is_that_of_the_store_and_of_some_counts_them(client, ready, rows):
    def tree(indexes, **asked):
        answer = client.post(
            f"{M}/map/tree".replace("/map/map", "/map"), params={"key": ready["key"], **asked}, content=np.array(indexes, "<u4").tobytes()
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return answer.json()

    every = list(range(48))
    for asked in ({}, {"rank": "species"}, {"under": rows[0]["order"]}):
        assert tree(every, **asked) == client.json("/stores/clades/tree", params=asked)
    some = [0, 1, 2, 3, 3]
    counts = Counter(rows[place]["species"] for place in {*some})
    found = tree(some, rank="species")
    assert {one["name"]: one["images"] for one in found["children"]} == counts
    assert found["images"] == 4
    assert tree([])["children"] == []
    refused = client.post(f"{M}/tree", params={"key": ready["key"]}, content=b"abc")
    assert (refused.status_code, "4 bytes each" in refused.json()["error"]) == (422, True)
    refused = client.post(f"{M}/tree", params={"key": ready["key"]}, content=np.array([48], "<u4").tobytes())
    assert refused.status_code == 422


def test_a_stored_picture_is_placed_beside_itself(client, ready, rows):
    points = numbers(client, f"{M}/points", "<f4", key=ready["key"]).reshape(-1, 2)
    picture = Path(rows[9]["uri"]).read_bytes()
    answer = client.post(f"{M}/place/image", params={"key": ready["key"]}, content=picture).json()
    assert answer["nearest"][0]["image_id"] == rows[9]["image_id"]
    assert answer["nearest"][0]["index"] == 9
    spread = np.hypot(*(points.max(axis=0) - points.min(axis=0)))
    assert np.hypot(answer["x"] - points[9, 0], answer["y"] - points[9, 1]) < spread / 4


def test_an_answer_is_not_sent_again_while_it_holds(client, ready, store):
    key = {"key": ready["key"]}
    assert "immutable" in client.get(f"{M}/points", params=key).headers["cache-control"]
    first = client.get(f"{M}/codes", params={**key, "by": "species"})
    again = client.get(f"{M}/codes", params={**key, "by": "species"}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    store.delete(image_ids=[store.table(["image_id"]).column(0)[0].as_py()])
    until(lambda: client.json("/stores/clades")["images"] == 47)
    changed = client.get(
        f"{M}/codes", params={**key, "by": "species"}, headers={"If-None-Match": first.headers["etag"]}
    )
    assert changed.status_code == 200
    before, after = (np.frombuffer(one.content, "<u2") for one in (first, changed))
    assert (after == 65535).sum() == (before == 65535).sum() + 1
    told = client.json(M)
    assert told["notes"][-1] == "1 of its pictures were deleted from the store since"
    assert told["stale"] is False
    assert len(numbers(client, f"{M}/selected", "<u4", **key)) == 47


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 6])
def test_few_pictures_are_no_failure(serving, store, n):
    ids = store.table(["image_id"]).column(0).to_pylist()
    store.delete(image_ids=ids[n:])
    client = serving(Store.open(store.path))
    found = made(client)
    assert (found["state"], found["n"]) == ("ready", n)
    assert found["method"] == ("umap" if n >= 4 else "line")
    points = numbers(client, f"{M}/points", "<f4", key=found["key"]).reshape(-1, 2)
    assert len(np.unique(points, axis=0)) == n
    assert np.isfinite(points).all()
    if 0 < n < 4:
        assert "too few" in found["notes"][0]
    assert len(numbers(client, f"{M}/codes", "<u2", key=found["key"], by="species")) == n
    assert client.json(f"{M}/labels", params={"key": found["key"], "by": "species"})["labels"] or not n


def test_where_umap_cannot_run_the_map_is_simple_and_says_so(serving, store, monkeypatch):
    def fail(*arguments, **named):
        raise RuntimeError("no LLVM here\nat all")

    monkeypatch.setattr(map_layout, "fitted_by_umap", fail)
    found = made(serving(store))
    assert (found["state"], found["method"]) == ("ready", "pca")
    assert found["notes"][0].startswith("UMAP could not run (no LLVM here): ")


def test_of_many_a_sample_is_laid_out_and_the_rest_is_placed(store):
    found = map_layout.laid_out(store, JOB, fitted=30)
    assert len(found) == 48
    assert sorted(found.image_ids.to_pylist()) == sorted(store.table(["image_id"]).column(0).to_pylist())
    assert found.about.notes[0].startswith("UMAP laid out 30 pictures, drawn at random; the other 18 stand among")
    assert kept_neighbours(store, found.image_ids.to_pylist(), found.points) > 0.6


def test_a_map_comes_back_from_its_file(store, tmp_path):
    found = map_layout.laid_out(store, JOB)
    found.save(tmp_path / "deep" / "m.arrow")
    again = MadeMap.load(tmp_path / "deep" / "m.arrow")
    assert again.key == found.key
    assert again.about == found.about
    assert again.image_ids.equals(found.image_ids)
    assert np.array_equal(again.points, found.points)
    assert MadeMap.load(tmp_path / "none.arrow") is None
    with pytest.raises(FileNotFoundError):  # a store that has been deleted does not come back as a folder of maps
        found.save(tmp_path / "deleted.store" / "maps" / "m.arrow")


def test_maps_of_two_stores_are_matched_by_id_and_by_content(serving, store, tmp_path):
    rows = store.table(["image_id", "uri"]).to_pylist()
    lines = [f"other{place},{row['uri']}" for place, row in enumerate(rows[:5])]
    (tmp_path / "t.csv").write_text("image_id,file\n" + "\n".join(lines))
    cladescope.embed(tmp_path / "t.csv", tmp_path / "copy.store", encoder="pixels")
    client = serving(store, Store.open(tmp_path / "copy.store"))
    here, there = made(client), made(client, "/stores/copy/map")

    def places(name, key, ids):
        return client.post(f"/stores/{name}/map/indexes", params={"key": key}, json={"ids": ids}).json()["indexes"]

    itself = numbers(client, f"{M}/match", "<u4", key=here["key"], to="clades", to_key=here["key"])
    assert itself.tolist() == list(range(48))
    across = numbers(client, f"{M}/match", "<u4", key=here["key"], to="copy", to_key=there["key"])
    mine = places("clades", here["key"], [row["image_id"] for row in rows])
    theirs = places("copy", there["key"], [f"other{place}" for place in range(5)])
    assert across[mine[:5]].tolist() == theirs
    assert set(across[mine[5:]].tolist()) == {2**32 - 1}
    assert places("copy", there["key"], ["other0", "nobody"])[1] is None


def test_vectors_of_further_encoders_have_maps_of_their_own(serving, store, tmp_path):
    cladescope.embed(str(store.table(["uri"]).column(0)[0].as_py()).rsplit("/", 1)[0], tmp_path / "two.store", encoder=["pixels", "tiny"])  # fmt: skip
    client = serving(Store.open(tmp_path / "two.store"))
    listed = client.json("/stores/two/vectors")["vectors"]
    assert [one["encoder"] for one in listed] == ["pixels", "tiny"]
    assert listed[0]["name"] is None
    own, other = made(client, "/stores/two/map"), made(client, "/stores/two/map", params={"vectors": listed[1]["name"]})
    assert (own["encoder"], other["encoder"]) == ("pixels", "tiny")
    assert own["key"] != other["key"]
    asked = {"key": own["key"], "to": "two", "to_key": other["key"], "to_vectors": listed[1]["name"]}
    assert sorted(numbers(client, "/stores/two/map/match", "<u4", **asked).tolist()) == list(range(own["n"]))
    client.refused("/stores/two/map/points", 409, params={"key": own["key"], "vectors": listed[1]["name"]})
    assert "no vectors" in client.refused("/stores/two/map", 422, params={"vectors": "dodo"})


def test_what_cannot_be_used_is_refused(client, ready):
    key = {"key": ready["key"]}
    client.refused("/stores/dodo/map", 404)
    client.refused(f"{M}/points", 409, params={"key": "x"})
    client.refused(f"{M}/points", 422)
    assert "did you mean species" in client.refused(f"{M}/codes", 422, params={**key, "by": "specis"})
    client.refused(f"{M}/codes", 422, params={**key, "by": "vector"})
    client.refused(f"{M}/match", 404, params={**key, "to": "dodo", "to_key": "x"})
    client.refused(f"{M}/indexes", 422, method="POST", params=key, json={"ids": "x"})
    odd = client.post(
        f"{M}/indexes",
        params=key,
        content=b'{"ids": ["\\ud800", "", "a\\u0000"]}',
        headers={"Content-Type": "application/json"},
    )
    assert odd.json() == {"indexes": [None, None, None]}
    client.refused(f"{M}/place/image", 422, method="POST", params=key, content=b"no picture")
