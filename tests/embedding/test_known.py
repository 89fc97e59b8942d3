import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding import known, sorted_rows
from cladescope.embedding.known import KnownPictures
from cladescope.embedding.sorted_rows import UNKNOWN_ROW
from tests.embedding.fingerprints import BITS, short_fingerprints

IDS, URIS = st.sampled_from("abcde"), st.sampled_from(["/1", "/2", "/3"])
ROWS = st.lists(st.tuples(IDS, URIS), max_size=12)


class Pictures:
    """A store of ids and addresses, row by row; a row that was deleted is None."""

    def __init__(self, rows, first=0, listed=()):
        self.rows, self.first, self.listed = list(rows), first, set(listed)

    def stored_ids(self):
        there = [(place, row) for place, row in enumerate(self.rows) if row is not None]
        size = max(3, len(there) // 4)
        for start in range(0, len(there), size):
            some = there[start : start + size]
            ids = pa.array([row[0] for _, row in some], pa.string())
            yield pa.record_batch(
                {"image_id": ids, "_rowid": pa.array([self.first + place for place, _ in some], pa.uint64())}
            )

    def ids_at(self, row_ids):
        there = [
            row for row in row_ids if row < self.first + len(self.rows) and self.rows[row - self.first] is not None
        ]
        texts = [[self.rows[row - self.first][column] for row in there] for column in (0, 1)]
        ids, uris = (pa.array(column, pa.string()) for column in texts)
        return pa.table({"_rowid": pa.array(there, pa.uint64()), "image_id": ids, "uri": uris})

    def rows_by_id(self, image_ids, columns):
        there = [row for row in reversed(self.rows) if row is not None and row[0] in set(image_ids)]
        return {image_id: {"image_id": image_id, "uri": uri} for image_id, uri in there}

    def origins(self, columns, *, address=None, image_ids=None):
        yield pa.record_batch({"image_id": pa.array(sorted(self.listed & set(image_ids)), pa.string())})


def check(pictures, rows, first=1):
    ids, uris = (pa.array([row[column] for row in rows], pa.string()) for column in (0, 1))
    return pictures.check(ids, uris, np.arange(first, first + len(rows)))


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


@given(
    ROWS,
    st.lists(ROWS, max_size=6),
    st.sampled_from([1, 4, 99]),
    st.sampled_from([*BITS, 32]),
    st.sampled_from([0, UNKNOWN_ROW - 2]),
    st.data(),
)
def test_known_pictures_answer_as_a_dict_does_whatever_ids_have_one_fingerprint(
    stored, chunks, run_rows, bits, first, data
):
    before, sorted_rows.RUN_ROWS = sorted_rows.RUN_ROWS, run_rows
    store = Pictures(stored, first)
    try:
        with short_fingerprints(bits):
            pictures = KnownPictures(store)
            found, number = [], 1
            for chunk in chunks:
                checked = check(pictures, chunk, number)
                found += [(bool(there), checked.refused.get(row)) for row, there in enumerate(checked.is_stored)]
                new = [not there and row not in checked.refused for row, there in enumerate(checked.is_stored)]
                assert checked.is_new.tolist() == new
                number += len(chunk)
                if data.draw(st.booleans()):
                    written = [row for row, is_new in zip(chunk, new, strict=True) if is_new]
                    store.rows += written
                    pictures.committed([image_id for image_id, _ in written])
    finally:
        sorted_rows.RUN_ROWS = before
    assert found == list(expected(stored, chunks))


def test_an_id_is_refused_the_second_time_and_for_another_picture():
    stored = [("a", "/a.jpg")]
    pictures = KnownPictures(Pictures(stored))
    first, second = check(pictures, stored), check(pictures, stored, 2)
    assert (first.is_stored.tolist(), first.refused) == ([True], {})
    assert "came before, for the same picture" in second.refused[0]
    assert "is stored for another picture" in check(KnownPictures(Pictures(stored)), [("a", "/b.jpg")]).refused[0]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
def test_ids_are_the_same_whatever_arrow_calls_their_type(type_):
    pictures = KnownPictures(Pictures([("ä", "/ä.jpg")]))
    found = pictures.check(pa.array(["ä"], type_), pa.array(["/ä.jpg"], type_), np.array([1]))
    assert found.is_stored.tolist() == [True]


def test_many_ids_take_twenty_one_bytes_each_and_their_texts_go_when_they_are_stored():
    n = 20_000
    ids = [f"picture number {number}" for number in range(n)]
    store = Pictures(zip(ids, ids, strict=True))
    pictures = KnownPictures(store)
    assert check(pictures, store.rows).is_stored.all()
    assert pictures.rows.n_bytes == 21 * n
    new = [(f"another {number}", "/b") for number in range(n)]
    assert check(pictures, new).is_new.all()
    assert pictures.rows.n_bytes == 2 * 21 * n
    assert len(pictures._texts) == n
    pictures.committed([image_id for image_id, _ in new])
    assert pictures._texts == {}


def test_an_id_with_the_fingerprint_of_a_stored_one_is_new_and_leaves_that_one_alone():
    with short_fingerprints(0):
        pictures = KnownPictures(Pictures([("a", "/a.jpg")]))
        found = check(pictures, [("b", "/b.jpg"), ("c", "/a.jpg"), ("b", "/b.jpg")])
        assert (found.is_new.tolist(), found.elsewhere, found.apart) == ([True, True, False], frozenset(), ("b", "c"))
        assert found.refused == {2: "image_id 'b' of record 3 came before, for the same picture: ids must be unique"}
        assert check(pictures, [("a", "/a.jpg")], 4).is_stored.all()


def test_a_row_that_was_written_anew_is_still_that_of_its_id_and_one_that_was_deleted_is_of_none():
    store = Pictures([("a", "/a.jpg"), ("b", "/b.jpg")])
    pictures = KnownPictures(store)
    store.rows = [None, None, ("a", "/a.jpg")]
    found = check(pictures, [("a", "/a.jpg"), ("b", "/b.jpg")])
    assert (found.is_stored.tolist(), found.is_new.tolist()) == ([True, False], [False, True])


def test_an_id_that_was_only_listed_is_told_from_another_by_what_the_store_listed():
    store = Pictures([], listed="a")
    with short_fingerprints(0):
        pictures = KnownPictures(store)
        pictures.rows.add(pictures.keys_of(pa.array(["a"])), known=np.array([known.LISTED], np.uint8))
        assert check(pictures, [("b", "/b.jpg")]).apart == ("b",)
        assert check(pictures, [("a", "/a.jpg")]).apart == ()
