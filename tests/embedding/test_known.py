import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding import known, sorted_rows
from cladescope.embedding.known import KnownPictures

IDS, URIS = st.sampled_from("abcde"), st.sampled_from(["/1", "/2", "/3"])
ROWS = st.lists(st.tuples(IDS, URIS), max_size=12)


def batch(rows):
    ids, uris = zip(*rows, strict=True) if rows else ((), ())
    return pa.record_batch({"image_id": pa.array(ids, pa.string()), "uri": pa.array(uris, pa.string())})


def check(pictures, rows, first=1):
    asked = batch(rows)
    return pictures.check(asked.column("image_id"), asked.column("uri"), np.arange(first, first + len(rows)))


def expected(stored, chunks):
    """What a dict says, record by record."""
    uri_of_stored, uri_of_met = {}, {}
    for name, uri in stored:
        uri_of_stored.setdefault(name, uri)
    for number, (name, uri) in enumerate((row for chunk in chunks for row in chunk), start=1):
        if name in uri_of_met:
            whose = "the same picture" if uri_of_met[name] == uri else "another picture"
            yield False, f"image_id {name!r} of record {number} came before, for {whose}: ids must be unique"
            continue
        uri_of_met[name] = uri
        if uri_of_stored.get(name, uri) != uri:
            yield False, f"image_id {name!r} is stored for another picture: ids must be unique"
        else:
            yield name in uri_of_stored, None


@given(ROWS, st.lists(ROWS, max_size=6), st.sampled_from([1, 4, 99]))
def test_known_pictures_answer_as_a_dict_does(stored, chunks, run_rows):
    before, sorted_rows.RUN_ROWS = sorted_rows.RUN_ROWS, run_rows
    try:
        pictures = KnownPictures([batch(stored[:3]), batch(stored[3:])])
        found, number = [], 1
        for chunk in chunks:
            checked = check(pictures, chunk, number)
            found += [(bool(there), checked.refused.get(row)) for row, there in enumerate(checked.is_stored)]
            new = [not there and row not in checked.refused for row, there in enumerate(checked.is_stored)]
            assert checked.is_new.tolist() == new
            number += len(chunk)
    finally:
        sorted_rows.RUN_ROWS = before
    assert found == list(expected(stored, chunks))


def test_an_id_is_refused_the_second_time_and_for_another_picture():
    stored = [("a", "/a.jpg")]
    pictures = KnownPictures([batch(stored)])
    first, second = check(pictures, stored), check(pictures, stored, 2)
    assert (first.is_stored.tolist(), first.refused) == ([True], {})
    assert "came before, for the same picture" in second.refused[0]
    assert "is stored for another picture" in check(KnownPictures([batch(stored)]), [("a", "/b.jpg")]).refused[0]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
def test_ids_are_the_same_whatever_arrow_calls_their_type(type_):
    pictures = KnownPictures([batch([("ä", "/ä.jpg")])])
    found = pictures.check(pa.array(["ä"], type_), pa.array(["/ä.jpg"], type_), np.array([1]))
    assert found.is_stored.tolist() == [True]


def test_many_ids_take_twenty_one_bytes_each():
    n = 50_000
    ids = pa.array([f"picture number {number}" for number in range(n)])
    pictures = KnownPictures([pa.record_batch({"image_id": ids, "uri": ids})])
    assert pictures.check(ids, ids, np.arange(n)).is_stored.all()
    assert pictures.rows.n_bytes == 21 * n
    new = pa.array([f"another {number}" for number in range(n)])
    assert pictures.check(new, new, np.arange(n)).is_new.all()
    assert pictures.rows.n_bytes == 2 * 21 * n


def test_an_id_with_the_fingerprint_of_a_stored_one_is_refused_and_leaves_that_one_alone(monkeypatch):
    fingerprints = {"a": 7, "b": 7, "/a.jpg": 1 << 32, "/b.jpg": 2 << 32}
    monkeypatch.setattr(
        known, "hashed", lambda texts: np.array([fingerprints[one] for one in texts.to_pylist()], np.uint64)
    )
    pictures = KnownPictures([batch([("a", "/a.jpg")])])

    def asked(rows):
        columns = batch(rows)
        return pictures.check(
            columns.column("image_id"), columns.column("uri"), np.arange(len(rows)), stored={"a"}.intersection
        )

    found = asked([("b", "/b.jpg")])
    assert list(found.refused) == [0]
    assert found.refused[0].startswith("image_id 'b' has the fingerprint of another that is stored: rename the file")
    assert (found.is_stored.tolist(), found.elsewhere) == ([False], frozenset())
    assert asked([("a", "/a.jpg")]).is_stored.all()
