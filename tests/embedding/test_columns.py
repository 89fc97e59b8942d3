"""What the columns of a table mean, and what their values become."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.columns import NULL_NAMES, ColumnPlan, clean_labels, is_respelt, is_url, plan_columns
from cladescope.embedding.sources.rows import read_rows
from cladescope.errors import InputError
from cladescope.schema import OPTIONAL_FIELDS, RESERVED_COLUMNS
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
    assert (plan.path, plan.image_id) == ("url", "gbifID")


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
    with pytest.raises(InputError, match="'width' would be stored as 'manifest_width'"):
        planned("file", "width", "manifest_width")


def test_a_table_without_pictures_is_refused_with_what_it_has_and_what_is_accepted() -> None:
    with pytest.raises(InputError, match=r"'photo', 'genus': expected .*file_name.*image_bytes"):
        planned("photo", "genus")
    with pytest.raises(InputError, match="separated by commas"):
        planned("file;genus")


def test_the_real_columns_of_treeoflife_vectors_are_understood() -> None:
    own = ["source_id", "scientific_name", "resolution_status", "publisher", "basisOfRecord", "img_type"]
    names = ["uuid", "source_dataset", *RANKS, "common_name", "identifier", *own]
    plan = plan_columns(text_schema(*names), {"identifier": ["https://a.org/1.jpg"]}, needs_picture=False)
    assert (plan.path, plan.image_id, plan.source) == ("identifier", "uuid", "source_dataset")
    assert set(plan.labels) == {*RANKS, "common_name", "scientific_name"}
    assert list(plan.extra) == own


@pytest.mark.skipif(not REAL_VECTORS.is_file(), reason="../shared/data is not there")
def test_the_real_treeoflife_table_gives_its_own_labels_back() -> None:
    table = pq.read_table(REAL_VECTORS)
    head = {"identifier": table["identifier"].to_pylist()}
    plan = plan_columns(table.schema, head, apart=("emb",), needs_picture=False)
    rows = [row for batch in table.to_batches() for row in read_rows(batch, plan)]
    raw = table.drop(["emb"]).to_pylist()
    assert [row.image_id for row in rows] == [one["uuid"] for one in raw]
    assert [row.labels.get("order") for row in rows] == [one["order"] for one in raw]
    same = [row.labels.get("species") == one["species"] for row, one in zip(rows, raw, strict=True)]
    assert all(equal for equal, one in zip(same, raw, strict=True) if one["species"])
    assert {row.path for row in rows} >= {one["identifier"] for one in raw}


@pytest.mark.parametrize(
    "raw, species",
    [
        ({"genus": "Vanessa", "species": "Vanessa atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "Vanessa_atalanta"}, "Vanessa atalanta"),
        ({"genus": "Bufo", "species": "bufo"}, "Bufo bufo"),
        (
            {"genus": "Quercus", "species": "\N{MULTIPLICATION SIGN} hispanica"},
            "Quercus \N{MULTIPLICATION SIGN} hispanica",
        ),
        ({"genus": "Platanthera", "species": "Habenaria lacera"}, "Habenaria lacera"),
        ({"species": "Vanessa atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "epithet": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "unknown", "epithet": "atalanta"}, "Vanessa atalanta"),
        ({"genus": "Vanessa", "species": "Vanessa"}, None),
        ({"species": "atalanta"}, None),
        ({"genus": "Amanita", "species": "Amanita sp."}, None),
        ({"genus": "Amanita", "species": "spp."}, None),
        ({"genus": "Vanessa"}, None),
    ],
)
def test_species_is_the_binomial_or_null(raw: dict[str, str | None], species: str | None) -> None:
    assert clean_labels(raw).get("species") == species


@pytest.mark.parametrize(
    "scientific_name, species",
    [
        ("Vanessa atalanta", "Vanessa atalanta"),
        ("Vanessa atalanta (Linnaeus, 1758)", "Vanessa atalanta"),
        ("Anas platyrhynchos Linnaeus, 1758", "Anas platyrhynchos"),
        ("Vochysia Aubl.", None),
        ("Foo de Vries, 1900", None),
        ("Canis lupus familiaris", None),
        ("Amanita cf. muscaria", None),
        ("Quercus \N{MULTIPLICATION SIGN} hispanica", None),
        ("incertae sedis", None),
        ("Lepidoptera", None),
    ],
)
def test_a_scientific_name_gives_the_species_only_where_it_plainly_is_a_binomial(
    scientific_name: str, species: str | None
) -> None:
    assert clean_labels({"scientific_name": scientific_name}).get("species") == species


def test_a_scientific_name_of_another_genus_is_not_used() -> None:
    raw = {"genus": "Platanthera", "scientific_name": "Habenaria lacera (Michx.) R.Br."}
    assert clean_labels(raw) == {"genus": "Platanthera"}


@given(st.sampled_from(sorted(NULL_NAMES)), st.sampled_from(["lower", "upper", "title"]), st.sampled_from(RANKS))
def test_unknown_ranks_are_null_in_any_case(word: str, case: str, rank: str) -> None:
    assert clean_labels({rank: f" {getattr(word, case)()} "}) == {}


@given(st.dictionaries(st.sampled_from([*RANKS, "epithet", "scientific_name", "common_name"]), st.text(max_size=30)))
def test_cleaning_twice_changes_nothing_and_a_species_has_two_words(raw: dict[str, str | None]) -> None:
    once = clean_labels(raw)
    assert clean_labels(once) == once
    assert " " in once.get("species", "two words")
    assert all(value == value.strip() and value.lower() not in NULL_NAMES for value in once.values())


@pytest.mark.parametrize(
    "raw, labels, respelt",
    [
        ({"genus": "parus", "species": "major"}, {"genus": "Parus", "species": "Parus major"}, True),
        ({"genus": "Parus", "species": "MAJOR"}, {"genus": "Parus", "species": "Parus major"}, True),
        ({"genus": "Parus", "epithet": "major"}, {"genus": "Parus", "species": "Parus major"}, False),
        ({"species": "Parus\u00a0major"}, {"species": "Parus major"}, True),
        ({"species": " Parus  major "}, {"species": "Parus major"}, False),
        ({"family": "Cafe\u0301idae"}, {"family": "Caf\u00e9idae"}, True),
        ({"class": "Aves\u200b"}, {"class": "Aves"}, True),
        ({"class": "\u200b"}, {}, False),
        ({"species": "tobacco mosaic virus"}, {"species": "tobacco mosaic virus"}, False),
        ({"common_name": "great\u00a0tit"}, {"common_name": "great tit"}, False),
        (
            {"genus": "Parus", "scientific_name": "Parus major L., 1758"},
            {"genus": "Parus", "species": "Parus major"},
            False,
        ),
    ],
)
def test_names_enter_in_one_spelling_and_a_changed_one_is_told(
    raw: dict[str, str | None], labels: dict[str, str], respelt: bool
) -> None:
    assert clean_labels(raw) == labels
    assert is_respelt(raw, labels) == respelt


def test_a_licence_may_be_unknown_but_not_empty() -> None:
    assert clean_labels({"licence": "unknown", "rights_holder": " ", "observation_id": "NaN"}) == {"licence": "unknown"}
    assert {field.name for field in OPTIONAL_FIELDS} == {"licence", "rights_holder", "observation_id"}


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
