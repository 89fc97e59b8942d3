import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding import known
from cladescope.embedding.known import HashMap, KnownPictures

U64 = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(U64, U64), max_size=60), st.lists(U64, max_size=20))
def test_a_hash_map_answers_as_a_dict_does(entries, others):
    before, known.MERGE_AT = known.MERGE_AT, 7
    try:
        found = HashMap()
        found.update(entries)
    finally:
        known.MERGE_AT = before
    expected: dict[int, int] = {}
    for key, value in entries:
        expected.setdefault(key, value)
    assert len(found) == len(expected)
    for key in [*expected, *others]:
        assert found.get(key) == expected.get(key)


def test_an_id_is_refused_the_second_time_and_for_another_picture():
    stored = pa.record_batch({"image_id": ["a"], "uri": ["/a.jpg"]})
    pictures = KnownPictures([stored])
    assert pictures.is_stored("a")
    assert pictures.refuse("a", "/a.jpg", 1) is None
    assert "came before, for the same picture" in str(pictures.refuse("a", "/a.jpg", 2))
    assert "is stored for another picture" in str(KnownPictures([stored]).refuse("a", "/b.jpg", 1))
