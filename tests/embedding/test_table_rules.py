"""Tables into a store: which type a column gets, what is missing, and what `strict` refuses."""

import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cladescope.app.verbs import embed as verb
from cladescope.app.verbs import import_vectors
from cladescope.embedding.schemes import LETTERS
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.index.widening import waiting


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures, two of which lie in folders."""
    rng = np.random.default_rng(0)
    for name in ("0.jpg", "1.jpg", "2.jpg", "3.jpg", "a/4.jpg", "b/5.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / name)
    return tmp_path


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def column(store: Path, name: str) -> list[object]:
    found: list[object] = Store.open(store).table(["uri", name]).sort_by("uri")[name].to_pylist()
    return found


def test_codes_stay_text_and_known_numbers_are_numbers(folder: Path) -> None:
    path = table(folder, "file,id,plot,code,latitude\n0.jpg,007,7,1E5,51.20\n1.jpg,2e10,08,2e10,NA\n")
    verb.embed(path, folder / "s", encoder="pixels")
    assert set(column(folder / "s", "image_id")) == {"007", "2e10"}
    assert (column(folder / "s", "plot"), column(folder / "s", "code")) == (["7", "08"], ["1E5", "2e10"])
    assert column(folder / "s", "latitude") == [51.2, None]


def test_a_later_table_whose_column_has_another_type_makes_it_wider(folder: Path) -> None:
    store = folder / "s"
    for number, year in enumerate(["1999", "2001.5", "c. 2003", "2004"]):
        verb.embed(table(folder, f"file,year,plot\n{number}.jpg,{year},{number}\n"), store, encoder="pixels")
        types = {0: pa.int64(), 1: pa.float64()}
        assert Store.open(store).schema.field("year").type == types.get(number, pa.string())
    assert column(store, "year") == ["1999", "2001.5", "c. 2003", "2004"]
    assert column(store, "plot") == ["0", "1", "2", "3"]


def test_a_store_with_numbers_keeps_them_where_the_next_table_has_numbers_too(folder: Path) -> None:
    store = folder / "s"
    verb.embed(table(folder, "file,plot\n0.jpg,7\n"), store, encoder="pixels", types={"Plot": "int"})
    verb.embed(table(folder, "file,plot\n1.jpg,8\n"), store, encoder="pixels")
    assert Store.open(store).count(where="plot > 7") == 1


def test_a_widening_that_was_killed_is_ended_by_the_next_job(folder: Path) -> None:
    store = folder / "s"
    verb.embed(table(folder, "file,year\n0.jpg,1999\n"), store, encoder="pixels")
    images = Store.open(store)._images
    images.add_columns({waiting("year"): "cast(year as double)"})
    images.drop_columns(["year"])
    verb.embed(table(folder, "file,year\n1.jpg,2000\n"), store, encoder="pixels")
    assert column(store, "year") == [1999.0, 2000.0]
    assert waiting("year") not in Store.open(store).schema.names


def test_a_declared_type_that_a_value_does_not_have_is_refused_with_its_place(folder: Path) -> None:
    path = table(folder, "file,plot\n0.jpg,7\n1.jpg,A8\n")
    with pytest.raises(InputError, match="'plot' of .* has 'A8' in row 2, declared is int64"):
        verb.embed(path, folder / "s", encoder="pixels", types={"plot": "int"})
    with pytest.raises(InputError, match="no column 'site'"):
        verb.embed(path, folder / "s", encoder="pixels", types={"site": "int"})
    with pytest.raises(InputError, match="one of the types text, int, float"):
        verb.embed(path, folder / "s", encoder="pixels", types={"plot": "date"})


def test_what_was_read_as_missing_is_counted_and_the_words_can_be_chosen(folder: Path) -> None:
    text = 'file,family,genus,locality\n0.jpg,NA,Unknown,NA\n1.jpg,Laridae,\\N,-\n2.jpg,"NA",Larus,unknown\n'
    summary = verb.embed(table(folder, text), folder / "s", encoder="pixels")
    assert summary.missing == {"NA": 2, "Unknown": 1, "\\N": 1}
    assert column(folder / "s", "family") == [None, "Laridae", None]
    assert column(folder / "s", "locality") == ["NA", "-", "unknown"]
    text = "file,genus\n0.jpg,Na\n1.jpg,keine\n"
    summary = verb.embed(table(folder, text), folder / "other", encoder="pixels", missing=["keine"])
    assert (summary.missing, column(folder / "other", "genus")) == ({"keine": 1}, ["Na", None])


@pytest.mark.parametrize(
    "text, message",
    [
        ("file,genus\n0.jpg,Larus\n1.jpg,NA\n", "1.jpg: 'NA' is read as missing"),
        ("file,genus\n0.jpg,LARUS\n", "spelt otherwise"),
        ("file,genus\n0.jpg,Larus\n,Larus\n", "refused: nothing in column 'file'"),
        ("file,width\n0.jpg,3\n", "column 'width' would be kept as 'manifest_width'"),
        ("file,id\n0.jpg,a\n1.jpg,a\n", "refused: "),
        ("file,species\n0.jpg,Larus fuscus L.\n", "taken apart"),
        ("file\na\\4.jpg\n", "backslashes"),
    ],
)
def test_strict_refuses_what_a_rule_touched(folder: Path, text: str, message: str) -> None:
    path = table(folder, text)
    with pytest.raises(InputError, match=f"strict: .*{message}"):
        verb.embed(path, folder / "s", encoder="pixels", strict=True)
    assert verb.embed(path, folder / "s", encoder="pixels").records


def test_strict_lets_pass_what_no_rule_touches(folder: Path) -> None:
    path = table(folder, "file,genus,species,plot\n0.jpg,Larus,Larus fuscus,NA\n")
    assert verb.embed(path, folder / "s", encoder="pixels", strict=True).embedded == 1


def test_paths_of_windows_are_found_or_their_backslashes_named(folder: Path) -> None:
    summary = verb.embed(table(folder, "file\na\\4.jpg\nb\\5.jpg\nc\\6.jpg\n"), folder / "s", encoder="pixels")
    assert (summary.embedded, summary.paths.total(), summary.failed) == (2, 2, 1)
    (failure,) = Store.open(folder / "s").failures.to_pylist()
    assert "nor with slashes for its backslashes" in failure["reason"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_file_whose_accents_are_composed_otherwise_is_found_and_counted(
    folder: Path, form: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize(form, "Mésange.jpg")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", name)
    (folder / "0.jpg").rename(folder / other)
    path = table(folder, f"file\n{name}\nGeai brûlé.jpg\n")
    with pytest.raises(InputError, match="strict: .*accents composed otherwise"):
        verb.embed(path, folder / "s", encoder="pixels", strict=True)
    summary = verb.embed(path, folder / "s", encoder="pixels")
    assert (summary.embedded, dict(summary.paths), summary.failed) == (1, {LETTERS: 1}, 1)
    assert Store.open(folder / "s").table(["uri"])["uri"].to_pylist() == [f"{folder}/{other}"]


def test_what_spreadsheets_write_around_a_table_is_left_out_and_counted(folder: Path) -> None:
    path = table(folder, "plot,file,genus,,\n1,0.jpg,Larus,,\n2,1.jpg,Parus,,\n,,,,\n,,,,\n")
    with pytest.raises(InputError, match="strict: left out: columns without a name or a value 2"):
        verb.embed(path, folder / "strict", encoder="pixels", strict=True)
    summary = verb.embed(path, folder / "s", encoder="pixels")
    assert (summary.records, summary.embedded, summary.failed) == (2, 2, 0)
    assert summary.left_out == {"columns without a name or a value": 2, "rows without any value": 2}


def test_two_columns_with_values_and_without_a_name_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="columns 2 and 3 of .* hold values and have no name: name them"):
        verb.embed(table(folder, "file,,\n0.jpg,a,\n1.jpg,,b\n"), folder / "s", encoder="pixels")


def test_degrees_with_a_decimal_comma_are_numbers_and_other_numbers_stay_text_with_a_word(folder: Path) -> None:
    path = table(folder, "file;decimalLatitude;depth;year\n0.jpg;-44,567;1,5;2001\n1.jpg;3;2;spring\n")
    with pytest.raises(InputError, match="strict: column 'decimalLatitude' has decimal commas"):
        verb.embed(path, folder / "strict", encoder="pixels", strict=True)
    summary = verb.embed(path, folder / "s", encoder="pixels")
    assert column(folder / "s", "decimalLatitude") == [-44.567, 3.0]
    assert column(folder / "s", "depth") == ["1,5", "2"]
    assert summary.notes == (
        "column 'decimalLatitude' has decimal commas: they are read as points",
        "column 'depth' stays text: '1,5' is no number; declare its type as text, or mend the value",
        "column 'year' stays text: 'spring' is no number; declare its type as text, or mend the value",
    )
    assert not verb.embed(path, folder / "o", encoder="pixels", types={"depth": "text", "year": "text"}).notes[1:]


def test_boxes_that_are_cut_at_the_edge_are_counted_or_refused(folder: Path) -> None:
    path = table(folder, "file,bbox\n0.jpg,-2 0 20 20\n1.jpg,0 0 16 16\n")
    with pytest.raises(InputError, match="strict: 1 boxes reach over the edge"):
        verb.embed(path, folder / "s", encoder="pixels", strict=True)
    assert verb.embed(path, folder / "s2", encoder="pixels").cut == 1


def test_an_import_counts_and_refuses_as_an_embedding_does(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "v.csv").write_text("id;genus;plot\n1;NA;7\n2;Larus;8\n3;unknown;9\n")
    with pytest.raises(InputError, match="strict: row 1 of .*missing"):
        import_vectors.import_vectors(tmp_path / "v.npy", tmp_path / "s", encoder="unknown", strict=True)
    assert "plot" not in Store.open(tmp_path / "s").schema.names
    import_vectors.import_vectors(tmp_path / "v.npy", tmp_path / "s")
    with pytest.raises(InputError, match="'plot' of .* holds text in the store"):
        import_vectors.import_vectors(tmp_path / "v.npy", tmp_path / "s", types={"plot": "int"})
    found = import_vectors.import_vectors(tmp_path / "v.npy", tmp_path / "o", encoder="unknown", types={"plot": "int"})
    assert (found.embedded, found.missing) == (3, {"NA": 1, "unknown": 1})
    assert Store.open(tmp_path / "o").count(where="plot > 7") == 2
