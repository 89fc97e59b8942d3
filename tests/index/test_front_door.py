"""A store at a Python prompt: its length, its line, its rows and vectors."""

import numpy as np
import pyarrow as pa
import pytest

import cladescope
from cladescope.errors import InputError, StoreError
from tests.index.test_store import CARD, NO_FAILURES, rows

LABELS = [{"species": "Parus major"}, {}, {"species": "Pica pica"}, {"species": "Parus major"}]


@pytest.fixture
def four(tmp_path):
    """Four pictures, one without a name, one at a place."""
    store = cladescope.Store.create(tmp_path / "four.store", CARD)
    store.add_fields([pa.field("latitude", pa.float64())])
    store.write(rows(*LABELS), NO_FAILURES)
    extra = [pa.field("latitude", pa.float64())]
    store.write(rows({"species": "Aves sp"}, extra=extra, first=4, latitude=51.5), NO_FAILURES)
    return cladescope.open(tmp_path / "four.store")


def test_its_length_is_the_number_of_pictures_and_an_empty_store_is_a_store(four, tmp_path):
    empty = cladescope.Store.create(tmp_path / "empty.store", CARD)
    assert (len(four), len(empty)) == (5, 0)
    assert bool(empty)
    assert len(empty.to_pandas()) == 0
    vectors, names = empty.to_numpy("species")
    assert (vectors.shape, names.shape) == ((0, 4), (0,))


def test_it_is_shown_in_one_line(four, tmp_path):
    assert repr(four) == f"<Store {tmp_path / 'four.store'}: 5 pictures, 4 numbers each by made-up>"
    first = cladescope.open(four.path, version=four.version)
    assert repr(first).endswith(f"by made-up, as it was at version {four.version}>")


def test_row_for_row_the_frame_the_vectors_and_the_names_are_of_the_same_picture(four):
    frame = four.to_pandas()
    vectors, names = four.to_numpy("species")
    assert frame["image_id"].tolist() == [f"i{n}" for n in range(5)]
    assert "vector" not in frame
    assert names.tolist() == ["Parus major", "", "Pica pica", "Parus major", "Aves sp"]
    assert names.dtype.kind == "U"
    assert vectors.dtype == np.float32
    assert vectors.argmax(axis=1).tolist() == [0, 1, 2, 3, 0]
    assert np.array_equal(four.to_numpy(), vectors)
    assert frame["species"].fillna("").tolist() == names.tolist()


def test_numbers_come_as_numbers_and_conditions_keep_some_rows(four):
    vectors, latitudes = four.to_numpy("latitude")
    assert np.isnan(latitudes).tolist() == [True] * 4 + [False]
    kept, names = four.to_numpy("species", where="species = 'Parus major'")
    assert (kept.shape, set(names)) == ((2, 4), {"Parus major"})
    assert four.to_pandas(["uri"], where="latitude > 50")["uri"].tolist() == ["/4.jpg"]
    assert len(vectors) == 5


@pytest.mark.parametrize("column", ["specie", "vector"])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(four, column):
    with pytest.raises(InputError, match=f"no column '{column}' of names or numbers in .*: its columns are .*species"):
        four.to_numpy(column)


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        cladescope.open(tmp_path)
