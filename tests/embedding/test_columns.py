"""What the columns of a table mean, and what their values become."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.columns import ColumnPlan, is_url, plan_columns
from cladescope.embedding.labels import clean_labels
from cladescope.embedding.sources.rows import read_rows
from cladescope.errors import InputError
from cladescope.schema import RESERVED_COLUMNS
from cladescope.taxonomy import RANKS
from tests.conftest import SHARED_DATA

REAL_VECTORS = SHARED_DATA / "vectors/bioclip2_tol200m_1030.parquet"


def text_schema(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def planned(*names: str, head: dict[str, list[object]] | None = None) -> ColumnPlan:
    return plan_columns(text_schema(*names), head)


def test_darwin_core_spellings_find_their_ranks() -> None:
    plan = planned("gbifID", "url", "Class", "GENUS", "specificEpithet", "scientificName", "vernacularName")
    assert plan.labels == {
        "class": "Class",
        "genus": "GENUS",
        "common_name": "vernacularName",
        "epithet": "specificEpithet",
        "scientific_name": "scientificName",
    }
    assert (plan.path, plan.image_id, plan.of_occurrences) == ("url", None, True)
    assert plan.optional["observation_id"] == "gbifID"
    vectors = plan_columns(
        text_schema("gbifID", "genus"), needs_picture=False
    )  # no pictures: the occurrence is the row
    assert (vectors.image_id, vectors.of_occurrences) == ("gbifID", False)


def test_bioclip_spellings_find_their_ranks() -> None:
    plan = planned("treeoflife_id", "filepath", "cls", "common", "license_name", "copyright_owner", "data_source")
    assert plan.labels == {"class": "cls", "common_name": "common"}
    assert plan.optional == {"licence": "license_name", "rights_holder": "copyright_owner"}
    assert (plan.path, plan.image_id, plan.source) == ("filepath", "treeoflife_id", "data_source")


def test_pybioclip_spellings_find_their_ranks() -> None:
    plan = planned("file_name", "species_epithet", "species", "common_name", "score")
    assert plan.labels == {
        "species": "species",
        "common_name": "common_name",
        "epithet": "species_epithet",
    }
    assert plan.extra == {"species_epithet": "species_epithet", "manifest_score": "score"}


@pytest.mark.parametrize(
    "name",
    [
        "file",
        "path",
        "filepath",
        "File Path",
        "filename",
        "file-name",
        "imagePath",
        "image_file",
        "uri",
        "URL",
    ],
)
def test_a_path_column_is_known_under_its_usual_names(name: str) -> None:
    assert planned(name).path == name


def test_the_more_usual_path_column_wins_and_the_other_is_kept() -> None:
    plan = planned("source_url", "file_name", "uri")
    assert plan.path == "file_name"
    assert plan.extra == {"source_url": "source_url", "manifest_uri": "uri"}


def test_identifier_is_a_path_only_where_its_values_are_urls() -> None:
    assert planned("identifier", head={"identifier": [None, "https://a.org/1.jpg"]}).path == "identifier"
    with pytest.raises(InputError, match="no column of pictures"):
        planned("identifier", head={"identifier": ["https://a.org/1.jpg", "NHM-17"]})


def test_pictures_in_the_table_are_preferred_to_paths() -> None:
    plan = plan_columns(pa.schema([("file_name", pa.string()), ("image", pa.binary())]))
    assert plan.picture == "image"
    assert plan.extra == {"file_name": "file_name"}
    hugging_face = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert plan_columns(pa.schema([("image", hugging_face)])).picture == "image"


def test_a_column_of_sizes_is_not_a_column_of_pictures() -> None:
    with pytest.raises(InputError, match="no column of pictures"):
        plan_columns(pa.schema([("bytes", pa.int64())]))


def test_reserved_names_are_kept_with_a_prefix_and_their_type() -> None:
    schema = pa.schema([("file", pa.string()), ("width", pa.int64()), ("vector", pa.float64()), ("lat", pa.float32())])
    plan = plan_columns(schema)
    assert plan.extra == {"manifest_width": "width", "manifest_vector": "vector", "lat": "lat"}
    assert plan.extra_fields == (
        pa.field("manifest_width", pa.int64()),
        pa.field("manifest_vector", pa.float64()),
        pa.field("lat", pa.float32()),
    )
    assert not RESERVED_COLUMNS & set(plan.extra)


def test_a_class_number_is_no_taxon() -> None:
    plan = plan_columns(pa.schema([("file", pa.string()), ("class", pa.int64())]))
    assert plan.labels == {}
    assert plan.extra == {"manifest_class": "class"}


def test_columns_handled_apart_are_left_out_and_a_path_may_be_missing() -> None:
    schema = pa.schema([("uuid", pa.string()), ("emb", pa.list_(pa.float32())), ("order", pa.string())])
    plan = plan_columns(schema, apart=("emb",), needs_picture=False)
    assert (plan.path, plan.image_id, plan.labels, plan.extra) == (None, "uuid", {"order": "order"}, {})


def test_two_spellings_of_a_rank_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="'class' and 'cls' both give the class"):
        planned("file", "cls", "class")


def test_a_repeated_column_is_refused() -> None:
    with pytest.raises(InputError, match="'genus' occurs twice"):
        planned("file", "genus", "genus")


def test_a_prefix_that_meets_another_column_is_refused() -> None:
    with pytest.raises(InputError, match="'width' and 'manifest_width' would both be stored as 'manifest_width'"):
        planned("file", "width", "manifest_width")


def test_two_columns_that_would_have_one_name_are_both_told() -> None:
    with pytest.raises(InputError, match="'Score' and ' Score ' would both be stored as 'manifest_Score': rename one"):
        planned("file", "Score", " Score ")


def test_a_table_without_pictures_is_refused_with_what_it_has_and_what_is_accepted() -> None:
    with pytest.raises(InputError, match=r"'photo', 'genus': expected .*file_name.*image_bytes"):
        planned("photo", "genus")


def test_the_real_columns_of_treeoflife_vectors_are_understood() -> None:
    own = ["source_id", "scientific_name", "resolution_status", "publisher", "basisOfRecord", "img_type"]
    names = ["uuid", "source_dataset", *RANKS, "common_name", "identifier", *own]
    plan = plan_columns(text_schema(*names), {"identifier": ["https://a.org/1.jpg"]}, needs_picture=False)
    assert (plan.path, plan.image_id, plan.source) == ("identifier", "uuid", "source_dataset")
    assert set(plan.labels) == {*RANKS, "common_name", "scientific_name"}
    assert list(plan.extra) == own


def test_numbers_and_dictionaries_become_the_text_of_an_id_and_a_label() -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([17]), pa.array(["Aves"]).dictionary_encode(), pa.array([4])],
        names=["id", "class", "occurrenceID"],
    )
    (row,) = read_rows(batch, plan_columns(batch.schema, needs_picture=False))
    assert (row.image_id, row.labels) == ("17", {"class": "Aves", "observation_id": "4"})


def test_rows_of_one_lineage_keep_their_own_optional_columns() -> None:
    batch = pa.RecordBatch.from_pydict({"file": ["a", "b"], "genus": ["Apis", "Apis"], "license": ["CC0", None]})
    rows = list(read_rows(batch, plan_columns(batch.schema)))
    assert [row.labels for row in rows] == [{"genus": "Apis", "licence": "CC0"}, {"genus": "Apis"}]


def test_a_url_names_its_scheme() -> None:
    assert [is_url(text) for text in ("https://a/b", "S3://a", "C:/a", "a://", "photos/a:b//c")] == [
        True,
        True,
        False,
        True,
        False,
    ]


NAMES = st.none() | st.sampled_from(["", "unknown", " Apis ", "Bufo", "bufo", "Bufo bufo", "Bufo sp.", "n/a", "alba"])
ROLES = (*RANKS, "common_name", "species_epithet", "scientific_name", "licence")


@given(st.lists(st.fixed_dictionaries({role: NAMES for role in ROLES}), min_size=1, max_size=5))
def test_a_batch_is_cleaned_as_its_rows_are(raw: list[dict[str, str | None]]) -> None:
    batch = pa.RecordBatch.from_pylist(raw, schema=text_schema(*ROLES))
    rows = read_rows(batch, plan_columns(batch.schema, needs_picture=False))
    expected = [clean_labels({**one, "epithet": one["species_epithet"]}) for one in raw]
    assert [row.labels for row in rows] == expected


def test_names_that_a_store_cannot_hold_are_mended() -> None:
    plan = planned("", "filepath", "sepal.length", "dwc:class", "common.name", "_rowid")
    assert plan.extra == {"unnamed": "", "sepal_length": "sepal.length", "manifest__rowid": "_rowid"}
    assert plan.labels == {"class": "dwc:class", "common_name": "common.name"}
