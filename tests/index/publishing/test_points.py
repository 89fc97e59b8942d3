import datetime
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.errors import TaxonError
from cladescope.index.publishing.clades import clade_key, clade_keys, keys_within
from cladescope.index.publishing.points import Columns, blocks, point_id
from cladescope.schema import vector_type
from cladescope.taxonomy import RANKS, Taxon
from tests.index.publishing.stores import CLADES, make

NAMES = st.one_of(st.none(), st.sampled_from(["Aves", "AVES", "a/b", "a%2Fb", "a", "b", "Salix × alba"]))
LINEAGES = st.lists(NAMES, min_size=7, max_size=7).filter(any)


@given(LINEAGES, LINEAGES)
def test_a_row_lists_the_key_of_a_taxon_exactly_where_it_is_within_it(one, other):
    row, taxon = (Taxon.from_ranks(lineage) for lineage in (one, other))
    for clade in taxon.lineage:
        assert (clade_key(clade) in clade_keys(dict(zip(RANKS, one, strict=True)))) == clade.contains(row)


def test_keys_within_are_those_of_the_rows_that_the_store_finds(tmp_path):
    store = make(tmp_path / "s.store")
    for within in (*CLADES, ["Felidae", "Aves"]):
        wanted = {*keys_within(store, within)}
        rows = store.table(["image_id", *RANKS]).to_pylist()
        found = {row["image_id"] for row in rows if wanted & {*clade_keys(row)}}
        assert found == {*store.table(["image_id"], within=within)["image_id"].to_pylist()}
    with pytest.raises(TaxonError, match="names 2 taxa"):
        keys_within(store, "Oenanthe")


def test_the_id_of_a_point_never_changes():
    assert point_id("i0") == "2955a04a-52e8-5e78-98f9-ba561e3789bb"
    assert point_id("Ärger.jpg") == "57aa6da5-eacb-5a0a-90a5-101efaf28ffb"
    assert uuid.UUID(point_id("i0")).version == 5


def batch(**columns):
    arrays = {"image_id": pa.array(["a", "b"]), **columns}
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array([1, 0, 0, 1], np.float16)), 2)
    return pa.RecordBatch.from_pydict({**arrays, "vector": vectors.cast(vector_type(2))})


def test_types_that_json_lacks_become_ones_that_it_has():
    when = datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.UTC)
    rows = batch(
        at=pa.array([when, None], pa.timestamp("us", tz="UTC")),
        day=pa.array([when.date(), None]),
        price=pa.array([decimal.Decimal("1.50"), None]),
        sex=pa.array(["f", None]).dictionary_encode(),
        half=pa.array([np.float16(0.5), None]),
        place=pa.array([{"lat": 1.5, "since": when.date()}, None]),
        long=pa.array([2**63, 5], pa.uint64()),
        fine=pa.array([True, None]),
    )
    columns = Columns(rows.schema)
    first, second = columns.points(rows).payloads
    assert {name: first[name] for name in first if name not in ("digest", "clades", "image_id")} == {
        "at": "2024-05-01 12:30:00.000000Z", "day": "2024-05-01", "price": 1.5, "sex": "f", "half": 0.5,
        "place": {"lat": 1.5, "since": "2024-05-01"}, "fine": True,
    }  # fmt: skip
    assert second.keys() == {"image_id", "long", "clades", "digest"}
    assert columns.lost == {f"long: a whole number above {2**63 - 1}": 1}
    assert columns.changed["price"] == "decimal128(3, 2) as double"
    assert "fine" not in columns.changed


def test_a_text_that_a_database_cannot_hold_is_left_out_and_counted():
    rows = batch(note=pa.array(["é" * 10, "é" * 11]))
    columns = Columns(rows.schema, 20)
    assert [payload.get("note") for payload in columns.points(rows).payloads] == ["é" * 10, None]
    assert columns.lost == {"note: a text of more than 20 bytes": 1}


def test_the_digest_of_a_point_tells_other_vectors_and_other_payloads():
    rows = batch(year=pa.array([1, 1]))
    first = Columns(rows.schema).points(rows).digests
    other = batch(year=pa.array([1, 2]))
    assert Columns(rows.schema).points(rows).digests == first
    again = Columns(other.schema).points(other).digests
    assert (again[0] == first[0], again[1] == first[1]) == (True, False)
    turned = rows.set_column(2, "vector", rows.column("vector").take(pa.array([1, 0])))
    assert not {*Columns(turned.schema).points(turned).digests} & {*first}


@given(st.integers(1, 5))
def test_blocks_hold_all_points_in_their_order(size):
    points = Columns(batch().schema).points(batch())
    parts = list(blocks(points, size))
    assert [one for part in parts for one in part.ids] == points.ids
    assert all(len(part) <= size for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.vectors for part in parts]), points.vectors)
