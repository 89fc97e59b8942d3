import sys

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.columns import plan_columns
from cladescope.embedding.labels import clean_labels, is_respelt, written_otherwise
from cladescope.embedding.sources.rows import read_columns, read_rows

VALUES = st.sampled_from(
    [None, "", "unknown", "Vanessa", "vanessa", "atalanta", "Vanessa atalanta", "V. atalanta", "sp.", "Parus", "a  b"]
)
COLUMNS = ("genus", "species", "species_epithet", "scientific_name", "common_name", "licence")
ROLES = {"species_epithet": "epithet"}


@given(st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True), st.data())
def test_labels_of_whole_columns_are_those_of_each_row(names, data):
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, VALUES)), min_size=1, max_size=8))
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    (batch,) = table.to_batches()
    plan = plan_columns(batch.schema, needs_picture=False)
    written = [{ROLES.get(name, name): value for name, value in row.items()} for row in rows]
    clean = [clean_labels(row) for row in written]
    expected = [
        (labels, is_respelt(row, labels), written_otherwise(row, labels))
        for row, labels in zip(written, clean, strict=True)
    ]
    assert [(row.labels, row.respelt, row.written) for row in read_rows(batch, plan)] == expected


def test_space_around_ids_and_paths_is_what_python_takes_for_it():
    spaces = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    written = [f"{space}a{space}b{space}" for space in spaces] + spaces
    batch = pa.RecordBatch.from_pydict({"image_id": written, "path": written})
    found = read_columns(batch, plan_columns(batch.schema))
    assert found.image_id.to_pylist() == found.path.to_pylist() == [text.strip() or None for text in written]


def test_a_struct_of_bytes_and_path_gives_both_and_null_where_it_is_null():
    rows = [{"image": {"bytes": b"x", "path": ""}, "file": "f"}, {"image": None, "file": " g "}]
    rows.append({"image": {"bytes": None, "path": "own"}, "file": "h"})
    batch = pa.RecordBatch.from_pylist(rows)
    found = read_columns(batch, plan_columns(batch.schema))
    assert found.picture.to_pylist() == [b"x", None, None]
    assert found.path.to_pylist() == ["f", "g", "own"]
