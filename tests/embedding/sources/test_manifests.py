"""Manifests as sources: CSV, TSV and Parquet."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.delimited import text
from cladescope.embedding.columns import ColumnPlan, renamed_columns
from cladescope.embedding.labels import MISSING
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.records import Record, id_of_uri, left_out_of
from cladescope.embedding.sources import delimited, open_source, table_source
from cladescope.embedding.sources import manifest as manifests
from cladescope.embedding.sources.delimited import open_delimited
from cladescope.embedding.sources.rows import Row, read_rows
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from tests.embedding.reading import REAL_MANIFEST, put, read


def manifest(tmp_path: Path, content: str | bytes, name: str = "table.csv") -> Path:
    return put(tmp_path / name, content.encode() if isinstance(content, str) else content)


def test_a_csv_gives_labels_ids_and_its_own_columns_as_text_but_for_known_numbers(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "file,uuid,class,genus,species,lat,year,code,note,width,source,license\n"
        'a/1.jpg,u1,Insecta,Vanessa,atalanta,1.5,3,007,"two\nlines",20,gbif,CC0\n'
        "/abs/2.jpg,,unknown,,,-2,,010,,21,,\n"
        "https://a.org/3.jpg,u3,,,Bufo bufo,,4,1,x,22,eol,\n",
    )
    first, second, third = read(path)
    assert first == Record(
        image_id="u1",
        uri=f"{tmp_path}/a/1.jpg",
        source="gbif",
        labels={"class": "Insecta", "genus": "Vanessa", "species": "Vanessa atalanta", "licence": "CC0"},
        extra={"lat": 1.5, "year": 3, "code": "007", "note": "two\nlines", "manifest_width": "20"},
    )
    assert (second.image_id, second.uri, second.source) == (id_of_uri("/abs/2.jpg"), "/abs/2.jpg", "table")
    assert second.labels == {}
    assert second.extra == {"lat": -2.0, "year": None, "code": "010", "note": None, "manifest_width": "21"}
    assert (third.uri, third.labels) == ("https://a.org/3.jpg", {"genus": "Bufo", "species": "Bufo bufo"})
    types = {field.name: field.type for field in open_source(path).extra_fields}
    assert types == {
        "lat": pa.float64(),
        "year": pa.int64(),
        "code": pa.string(),
        "note": pa.string(),
        "manifest_width": pa.string(),
    }


def test_relative_paths_start_at_the_manifests_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "data/photos/1.jpg", b"tit")
    manifest(tmp_path / "data", "file\n./photos/1.jpg\nphotos/x/../1.jpg\n")
    monkeypatch.chdir(tmp_path)
    records = read("data/table.csv")
    assert [record.uri for record in records] == [f"{tmp_path}/data/photos/1.jpg"] * 2
    assert read_bytes(records[0].uri) == b"tit"


def test_a_remote_manifest_has_its_own_relative_paths(remote: fsspec.AbstractFileSystem) -> None:
    remote.pipe("/set/table.csv", b"file\na/1.jpg\n./2.jpg\nhttps://a.org/3.jpg\n")
    assert [record.uri for record in read("memory://set/table.csv")] == [
        "memory://set/a/1.jpg",
        "memory://set/2.jpg",
        "https://a.org/3.jpg",
    ]


def test_a_tsv_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufefffile\tgenus\na, b.jpg\tApis\n", "table.tsv")
    (record,) = read(path)
    assert (record.uri, record.labels) == (f"{tmp_path}/a, b.jpg", {"genus": "Apis"})


def test_a_row_without_a_path_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file,id\n1.jpg,7\n  ,8\n,\n4.jpg,9\n")
    records = read(path)
    assert [record.problem for record in records] == [
        None,
        "nothing in column 'file'",
        None,
    ]
    assert [record.image_id for record in records] == ["7", "8", "9"]
    assert records[1].uri == f"{path}#row=1"


def test_a_picture_of_gbif_is_known_by_its_occurrence_and_its_address(tmp_path: Path) -> None:
    rows = ("7\thttp://a.org/1.jpg", "7\thttp://a.org/2.jpg", "8\thttp://a.org/2.jpg", "8\thttp://a.org/2.jpg")
    records = read(manifest(tmp_path, "\n".join(["gbifID\tidentifier", *rows, ""])))
    assert [record.labels["observation_id"] for record in records] == ["7", "7", "8", "8"]
    first, second, third, again = (record.image_id for record in records)
    assert len({first, second, third}) == 3
    assert third == again  # the same picture of the same occurrence


def test_a_slip_in_the_name_of_a_rank_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(manifest(tmp_path, "file,speceis,Familly,weight\n1.jpg,Parus major,Paridae,7\n"))
    assert "column 'speceis' is kept as it is called: did you mean species?" in caplog.text
    assert "'Familly' is kept as it is called: did you mean family?" in caplog.text
    assert "weight" not in caplog.text


def test_a_row_without_any_value_is_left_out_counted_and_has_its_number(tmp_path: Path) -> None:
    source = open_source(manifest(tmp_path, "file,plot\n1.jpg,7\n,\n,8\n,\n"))
    for _ in range(2):
        assert [record.uri.rpartition("/")[2] for record in source.records()] == ["1.jpg", "table.csv#row=2"]
        assert left_out_of(source) == {"rows without any value": 2}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"table\.csv is empty"),
        (b"file,genus\n", "has a header and no rows"),
        (b"photo,genus\n1.jpg,Apis\n", "no column of pictures among 'photo', 'genus'"),
        (b"file,genus,genus\n1.jpg,a,b\n", "'genus' occurs twice"),
        (b"file,class,cls\n1.jpg,a,b\n", "'class' and 'cls' both"),
        (b"file,genus\n1.jpg,Apis\n2.jpg\n", r"line 3 of .*table\.csv has 1 values, its header 2"),
        (b'file,genus\n1.jpg,"A\npis"\n2.jpg,x,y\n', r"line 4 of .* has 3 values"),
        ("file,note\n1.jpg,café\n".encode() + b"2.jpg,caf\xe9\n", "not UTF-8 though parts of it are: .* offset 31"),
        (b"file,note\n1.jpg,\x81\n", "neither UTF-8 .byte at offset 16. nor cp1252"),
        ("file,genus\n1.jpg,Apis\n".encode("utf-16")[:-1], "cut off inside a character"),
        (b'file,genus,n\n1.jpg,"Apis,2\n2.jpg,Bombus,3\n3.jpg,Bombus" x,4\n', "row that begins on line 2"),
        (b'file,genus\n1.jpg,"Apis\n2.jpg,Bombus\n', "row that begins on line 2 .*close its quote"),
        (b'file,note\n1.jpg,"half\n2.jpg,half"\n', "line 2 of .* opens a quote that is closed on line 3"),
        (b"PK\x03\x04rest", "a zip archive or a spreadsheet"),
        (b"file\0,genus\n1.jpg,Apis\n", "bytes that are zero"),
        (",".join(f"c{n}" for n in range(100_000)).encode() + b"\n", "100,000 columns: expected at most 4,096"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_source(manifest(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_damage_far_into_a_csv_is_found_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LINE_BYTES", 1000)
    good = b"file,note\n" + b"1.jpg,x\n" * 1000
    with pytest.raises(InputError, match="line 1002 of"):
        open_source(manifest(tmp_path, good + b"1.jpg\n"))


def test_text_of_windows_is_read_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (record,) = read(manifest(tmp_path, b"file,note\n1.jpg,caf\xe9\n"))
    assert record.extra == {"note": "café"}
    assert "byte at offset 19): it is read as cp1252" in caplog.text


def test_reading_may_stop_early_and_rows_keep_their_numbers_over_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "LINE_BYTES", 1000)
    monkeypatch.setattr(delimited, "KEPT_BYTES", 2000)
    path = manifest(tmp_path, "file,year\n" + "".join(f",{i}\n" for i in range(1000)))
    source = open_source(path)
    assert [record.extra["year"] for record in itertools.islice(source.records(), 3)] == [0, 1, 2]
    assert [record.uri for record in source.records()] == [f"{path}#row={i}" for i in range(1000)]


INTEGERS = st.integers(-(2**63), 2**63 - 1).map(str)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: f"{x:.6f}")
WORDS = st.text("abc01.-+e xn", max_size=4).map(str.strip)


@given(
    st.lists(st.one_of(INTEGERS, FLOATS, WORDS), min_size=1, max_size=6) | st.lists(INTEGERS, min_size=1, max_size=4)
)
def test_a_column_is_a_number_only_where_python_reads_every_value_as_one(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.mktemp("survey") / "t.csv"
    path.write_text("file,year\n" + "".join(f"x,{value}\n" for value in values))
    found = open_delimited(str(path), TableRules())
    present = [value for value in values if value and value not in MISSING]
    assert found.n_rows == len(values)
    type_ = found.schema.field("year").type
    whole = all(is_whole(value) for value in present)
    assert (type_ == pa.int64()) == whole
    if type_ == pa.float64():
        assert all(not is_code(value) and float(value) is not None for value in present)
    elif type_ == pa.string() and present:
        assert any(is_code(value) or not is_float(value) for value in present)
    read_back = [value for batch in found.batches() for value in batch.column("year").to_pylist()]
    python = {pa.int64(): int, pa.float64(): float, pa.string(): str}[type_]
    absent = {"", *(MISSING if type_ != pa.string() else ())}
    assert repr(read_back) == repr([None if value in absent else python(value) for value in values])


def is_whole(text: str) -> bool:
    return is_float(text) and text.lstrip("-").isdecimal() and str(int(text)) == text and abs(int(text)) < 2**63 + 1


def is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_code(text: str) -> bool:
    digits = text.lstrip("-")
    return (
        (digits[:1] == "0" and digits[1:2].isdecimal()) or (digits.isdecimal() and len(digits) > 15) or "+" in text[:1]
    )


def test_a_parquet_keeps_its_types_and_null_paths_are_problems(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image_path": ["1.jpg", None, "3.jpg"],
            "gbifID": [11, 12, 13],
            "genus": pa.array(["Apis", None, "Apis"]).dictionary_encode(),
            "pair": [[1, 2], None, []],
            "day": pa.array([0, 1, None], pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    records = read(tmp_path / "t.parquet")
    assert [record.problem for record in records] == [None, "nothing in column 'image_path'", None]
    ids = [{"observation_id": "11"}, {"observation_id": "12"}, {"observation_id": "13"}]
    assert [record.labels for record in records] == [{"genus": "Apis"} | ids[0], ids[1], {"genus": "Apis"} | ids[2]]
    source = open_source(tmp_path / "t.parquet")
    assert source.count() == 3
    assert [field.type for field in source.extra_fields] == [pa.list_(pa.int64()), pa.date32()]


@pytest.mark.parametrize("hugging_face", ["struct", "binary"])
def test_pictures_in_a_parquet_are_carried_and_can_be_read_again(tmp_path: Path, hugging_face: str) -> None:
    pictures: list[bytes | None] = [f"picture {i}".encode() for i in range(150)]
    pictures[7] = None
    column = pa.array(pictures, pa.binary())
    if hugging_face == "struct":
        column = pa.array([{"bytes": one, "path": None} for one in pictures])
    pq.write_table(pa.table({"image": column, "label": range(150)}), tmp_path / "t.parquet")
    records = read(tmp_path / "t.parquet")
    assert [record.data for record in records] == pictures
    assert [record.problem for record in records if record.problem] == ["nothing in column 'image'"]
    assert records[99].uri == f"{tmp_path}/t.parquet#row=99"
    assert read_bytes(records[99].uri) == b"picture 99"


def test_a_hugging_face_row_without_bytes_is_read_from_its_path(tmp_path: Path) -> None:
    image = pa.array([{"bytes": None, "path": "1.jpg"}, {"bytes": b"two", "path": "2.jpg"}])
    pq.write_table(pa.table({"image": image}), tmp_path / "t.parquet")
    first, second = read(tmp_path / "t.parquet")
    assert (first.uri, first.data, first.problem) == (f"{tmp_path}/1.jpg", None, None)
    assert (second.uri, second.data) == (f"{tmp_path}/t.parquet#row=1", b"two")


def test_a_parquet_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "broken.parquet", b"no table" * 100)
    pq.write_table(pa.table({"file": pa.array([], pa.string())}), tmp_path / "empty.parquet")
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["file", "file"]), tmp_path / "twice.parquet")
    for name, message in (
        ("broken", "cannot read"),
        ("empty", "has no rows"),
        ("twice", "'file' occurs twice"),
    ):
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / f"{name}.parquet")


def test_a_renamed_column_is_told_for_the_summary(tmp_path: Path) -> None:
    source = open_source(manifest(tmp_path, "file,height\n1.jpg,3\n"))
    assert renamed_columns(source.extra_fields) == {"height": "manifest_height"}


@pytest.mark.skipif(not REAL_MANIFEST.is_file(), reason="../shared/data is not there")
def test_the_real_manifest_of_organisms_is_read() -> None:
    source = open_source(REAL_MANIFEST)
    records = list(source.records())
    assert source.count() == len(records) == len({record.image_id for record in records}) == 6097
    assert [field.name for field in source.extra_fields] == ["source_repo"]
    assert all(record.problem is None and Path(record.uri).is_file() for record in records)
    assert all(record.labels["licence"] for record in records)
    missing = sum("species" not in record.labels for record in records) / len(records)
    assert round(missing, 2) == 0.41


@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize("size", [100, 300_000, 20_000_000])
def test_pictures_in_a_table_are_read_by_their_bytes_and_not_by_a_number_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, struct: bool
) -> None:
    n = 12 if size < 10**7 else 3
    contents = [number.to_bytes(1, "big") * size for number in range(n)]
    pictures = [{"bytes": content, "path": "x"} for content in contents] if struct else contents
    pq.write_table(pa.table({"image": pictures, "uuid": [f"u{n}" for n in range(n)]}), tmp_path / "t.parquet")
    monkeypatch.setattr(manifests, "_BATCH_BYTES", 1_000_000)
    batches = []

    def watched(batch: pa.RecordBatch, plan: ColumnPlan, missing: frozenset[str]) -> Iterator[Row]:
        batches.append(batch.num_rows)
        return read_rows(batch, plan, missing)

    monkeypatch.setattr(table_source, "read_rows", watched)
    source = open_source(tmp_path / "t.parquet")
    assert [record.data for record in source.records()] == contents
    assert max(batches) * size <= max(1_000_000, size)
    assert max(batches) >= min(n, 1_000_000 // (size + 100), 12) // 2
