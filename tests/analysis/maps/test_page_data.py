"""The data of a page: each part against the table that it is made of; small pictures within their room; no folder of the machine."""

import gzip
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cladescope.analysis.maps.page import bundle, map_page
from cladescope.analysis.maps.page_columns import shown_columns, without_paths
from cladescope.analysis.maps.page_data import MOST_VALUES, ROWS, PageMap
from cladescope.analysis.maps.small_pictures import ELSEWHERE, GONE, NO_ROOM, UNREADABLE, small_pictures
from cladescope.analysis.pictures import Pictures
from tests.alone import index_of, part_of

N = 2500


def page_map(n=N, **columns):
    rng = np.random.default_rng(0)
    names = {"image_id": [f"id{row}" for row in range(n)], "uri": [f"/home/me/photos/{row}.jpg" for row in range(n)]}
    table = pa.table({**names, **columns})
    points = rng.normal(size=(n, 2)).astype(np.float32)
    return PageMap(name="garden", points=points, pictures=Pictures(np.empty((n, 0), np.float32), table))


def garden(n=N):
    rng = np.random.default_rng(1)
    genera = rng.choice(["Parus", "Pica", "Vanessa"], n, p=[0.6, 0.3, 0.1]).tolist()
    classes = ["Insecta" if genus == "Vanessa" else "Aves" for genus in genera]
    return {
        "kingdom": ["Animalia"] * n,
        "class": classes,
        "genus": [None if row % 10 == 0 else genus for row, genus in enumerate(genera)],
        "width": list(range(n)),
        "licence": ["CC0" if row % 4 else None for row in range(n)],
    }


def test_parts_hold_what_the_table_holds():
    columns = garden()
    one = page_map(**columns)
    page = map_page([one], title="garden")
    index = index_of(page)["maps"][0]
    assert index["map"]["n"] == N
    np.testing.assert_array_equal(np.frombuffer(part_of(page, "points"), "<f4").reshape(-1, 2), one.points)
    names = [column["name"] for column in index["map"]["columns"]]
    assert names == ["kingdom", "class", "genus", "width", "licence"]
    by = names.index("genus")
    codes = np.frombuffer(part_of(page, f"codes/{by}"), "<u2")
    legend = json.loads(part_of(page, f"legend/{by}"))
    value = {line["code"]: line["name"] for line in legend["values"]}
    assert [value.get(code) for code in codes.tolist()] == columns["genus"]
    assert {line["name"]: line["images"] for line in legend["values"]} == Counter(filter(None, columns["genus"]))
    assert legend["without"] == columns["genus"].count(None) == N // 10
    lineages = json.loads(part_of(page, "lineages"))
    of = np.frombuffer(part_of(page, "lineage_of"), "<u4").tolist()
    for rank in ("class", "genus"):
        assert [lineages[rank][at] for at in of] == columns[rank]
    assert index["details"]["ranks"]["class"] == {"taxa": 2, "images": N}
    rows = [json.loads(part_of(page, f"rows/{at}")) for at in range(-(-N // ROWS))]
    assert [one for part in rows for one in part["width"]] == columns["width"]
    assert [one for part in rows for one in part["uri"]] == [f"{row}.jpg" for row in range(N)]
    texts = {label["text"] for label in json.loads(part_of(page, f"labels/{by}"))}
    assert texts == {"Parus", "Pica", "Vanessa"}


def test_licences_that_are_not_known_are_counted_and_not_where_they_were_not_read():
    assert page_map(**garden()).without_licence == N // 4
    (note,) = page_map(**garden()).about()["map"]["notes"]
    assert note.startswith(f"of {N // 4} pictures no licence is known")
    assert page_map().about()["map"]["notes"] == []


def test_a_column_of_as_many_values_as_pictures_is_no_colour_and_is_told_all_the_same():
    each = [f"observation {row}" for row in range(N)]
    assert N > MOST_VALUES
    one = page_map(observation_id=each, species=each)
    assert [column["name"] for column in one.columns] == ["species"]
    assert json.loads(gzip.decompress(dict(one.parts())["rows/0"]))["observation_id"] == each[:ROWS]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/a b/c.jpg", "c.jpg"),
        ("C:\\Users\\me\\c.jpg", "c.jpg"),
        ("\\\\server\\share\\c.jpg", "c.jpg"),
        ("~/photos/c.jpg", "c.jpg"),
        ("file:///home/me/c.jpg", "c.jpg"),
        ("https://me:secret@example.org/c.jpg", "https://example.org/c.jpg"),
        ("HTTP://example.org/a/c.jpg?x=1", "HTTP://example.org/a/c.jpg?x=1"),
        ("Parus major / minor", "Parus major / minor"),
        ("and/or", "and/or"),
        ("", ""),
        (None, None),
    ],
)
def test_no_column_tells_a_folder_of_this_machine(text, shown):
    assert without_paths(pa.table({"note": [text]})).column("note")[0].as_py() == shown


def test_an_address_of_no_web_server_is_a_files_name():
    uris = pa.table({"uri": ["photos/c.jpg", "s3://bucket/key/c.jpg", "memory:///c.jpg", "https://a.org/b/c.jpg"]})
    assert without_paths(uris).column("uri").to_pylist() == ["c.jpg", "c.jpg", "c.jpg", "https://a.org/b/c.jpg"]


def test_ids_that_are_paths_stay_apart():
    table = without_paths(pa.table({"image_id": ["/a/b/x.jpg", "/a/c/x.jpg", "plain/id"]}))
    first, second, plain = table.column("image_id").to_pylist()
    assert first != second
    assert "/" not in first + second
    assert plain == "plain/id"


def test_lists_and_vectors_and_bytes_are_not_shown():
    schema = pa.schema(
        {"a": pa.string(), "b": pa.list_(pa.int8()), "c": pa.binary(), "d": pa.date32(), "content_hash": pa.string()}
    )
    assert shown_columns(schema) == ["a", "d"]


def test_numbers_that_are_none_and_times_are_json():
    import datetime

    one = page_map(n=2, depth=[float("nan"), 2.5], day=pa.array([datetime.date(2024, 5, 1), None]), there=[True, None])
    rows = json.loads(gzip.decompress(dict(one.parts())["rows/0"]))
    assert rows["depth"] == [None, 2.5]
    assert rows["day"] == ["2024-05-01", None]
    assert rows["there"] == [True, None]


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        noise = Image.fromarray(rng.integers(0, 255, (120, 90, 3), np.uint8))
        noise.save(tmp_path / f"{number}.jpg")
    (tmp_path / "bad.jpg").write_text("no picture")
    return [str(tmp_path / f"{number}.jpg") for number in range(6)]


def test_small_pictures_are_taken_in_order_until_the_room_is_full(files, tmp_path):
    uris = [files[0], str(tmp_path / "gone.jpg"), str(tmp_path / "bad.jpg"), "https://example.org/a.jpg", *files[1:]]
    whole = small_pictures(uris, side=64, room=10**6)
    assert sorted(whole.sizes) == [0, 4, 5, 6, 7, 8]
    assert whole.missing == {GONE: 1, UNREADABLE: 1, ELSEWHERE: 1}
    room = sum(sorted(whole.sizes.values())[-3:])
    some = small_pictures(uris, side=64, room=room)
    assert sum(map(len, some.jpegs.values())) <= room
    assert list(some.sizes) == list(whole.sizes)[: len(some.sizes)]
    assert 0 < some.missing[NO_ROOM] == len(uris) - len(some.sizes) - 3
    none = small_pictures(uris, side=64, room=0)
    assert (none.sizes, none.missing) == ({}, {NO_ROOM: len(uris)})


def test_the_bundle_may_stand_inside_a_page():
    for name in ("page.js", "page.css"):
        text = bundle(name)
        assert text
        assert not any(word in text.lower() for word in ("</script", "<script", "</style"))
        assert "http://127" not in text
