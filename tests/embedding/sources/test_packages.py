"""Packages of tables, as folders and .zip archives: what is read of them, and what is refused in one line."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cladescope.embedding import zips
from cladescope.embedding.locations import file_of, read_bytes
from cladescope.embedding.schemes import BACKSLASHES
from cladescope.embedding.sources import open_source
from cladescope.embedding.sources.package import Package
from cladescope.errors import InputError, PictureError
from tests.embedding.reading import put, read


def pack(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_the_only_table_of_a_zip_is_a_manifest_whose_pictures_lie_in_the_zip(tmp_path: Path) -> None:
    path = pack(tmp_path / "birds.zip", {"birds/t.csv": "file,genus\nimg/a.jpg,Parus\n", "birds/img/a.jpg": b"tit"})
    (record,) = read(path)
    assert (record.uri, record.source, record.labels) == (f"{path}#birds/img/a.jpg", "birds", {"genus": "Parus"})
    assert read_bytes(record.uri) == b"tit"
    assert file_of(record.uri) == str(path)


def test_a_table_in_a_zip_is_found_beside_what_macos_adds(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "t.tsv": "file\tgenus\nhttps://a.org/1.jpg\tApis\n",
        "__MACOSX/._t.tsv": b"\0",
        ".DS_Store": b"\0",
    }
    (record,) = read(pack(tmp_path / "t.ZIP", files))
    assert (record.uri, record.labels) == ("https://a.org/1.jpg", {"genus": "Apis"})


def test_paths_that_lead_out_of_a_zip_are_problems_and_windows_paths_are_counted(tmp_path: Path) -> None:
    pack(tmp_path / "t.zip", {"t.csv": "file\n../a.jpg\na\\b.jpg\n/abs/c.jpg\nftp://a.org/1.jpg\n", "a/b.jpg": b"tit"})
    out, windows, absolute, ftp = read(tmp_path / "t.zip")
    assert out.problem == f"its path leads out of {tmp_path}/t.zip#t.csv"
    assert (windows.uri, windows.path_rule, windows.problem) == (f"{tmp_path}/t.zip#a/b.jpg", BACKSLASHES, None)
    assert (absolute.uri, absolute.problem) == ("/abs/c.jpg", None)
    assert "allow the scheme ftp" in (ftp.problem or "")


def test_a_large_table_in_a_zip_is_read_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cladescope.embedding.sources.delimited.KEPT_BYTES", 0)
    rows = "".join(f"{n}.jpg,{n}\n" for n in range(9000))
    records = read(pack(tmp_path / "t.zip", {"t.csv": f"file,id\n{rows}"}))
    assert [record.image_id for record in records] == [str(n) for n in range(9000)]


def encrypted(path: Path) -> Path:
    """The flag that a member is encrypted, set in both places where a .zip has it."""
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return put(path, bytes(content))


def cut(path: Path) -> Path:
    return put(path, path.read_bytes()[:-30])


def damaged(path: Path) -> Path:
    content = path.read_bytes()
    return put(path, content[:60] + b"\xff" * 20 + content[80:])


def unknown_method(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, 8, 77)
    struct.pack_into("<H", content, content.rindex(b"PK\x01\x02") + 10, 77)
    return put(path, bytes(content))


TABLE = {"table.csv": "file,genus\n" + "".join(f"{n * 7919}.jpg,Apis\n" for n in range(50))}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: put(path, b""), r"t\.zip is empty: expected a \.zip of tables"),
        (lambda path: put(path, b"file,genus\n"), r"t\.zip is no \.zip archive"),
        (lambda path: cut(pack(path, TABLE)), r"t\.zip is cut off or damaged"),
        (lambda path: encrypted(pack(path, TABLE)), "table.csv in .* is encrypted: unpack it"),
        (lambda path: damaged(pack(path, TABLE)), "table.csv in .* cannot be unpacked .*: download or pack it again"),
        (lambda path: unknown_method(pack(path, TABLE)), "table.csv in .* cannot be unpacked .*compression"),
        (lambda path: pack(path, {}), r"t\.zip holds nothing: expected one table"),
        (lambda path: pack(path, {"a.jpg": b"x"}), "holds 'a.jpg': expected one table .* unpack it and name the folder"),
        (lambda path: pack(path, {"a.csv": "file\n", "b.csv": "file\n"}), "holds 'a.csv', 'b.csv': expected one table"),
        (lambda path: pack(path, {"a.csv": ""}), r"t\.zip#a\.csv is empty"),
        (lambda path: pack(path, {"../a.csv": "file\n1.jpg\n"}), "names the file ../a.csv, which lies outside it"),
        (lambda path: pack(path, {"a.csv": "file,x\n1.jpg\n"}), r"line 2 of .*t\.zip#a\.csv has 1 values"),
    ],
)  # fmt: skip
def test_a_bad_zip_is_refused_in_one_line(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as raised:
        open_source(make(tmp_path / "t.zip"))
    assert "\n" not in str(raised.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "SMALL_BYTES", 10**6)
    bomb = pack(tmp_path / "t.zip", {"t.csv": b"\n" * 10**7})
    with pytest.raises(InputError, match=r"t\.csv in .* has 10,000,000 bytes out of .*: at most 250 times is unpacked"):
        open_source(bomb)
    monkeypatch.setattr(zips, "MAX_MEMBERS", 1)
    with pytest.raises(InputError, match="holds more than 1 files"):
        open_source(pack(tmp_path / "many.zip", {"a": "", "b": ""}))


def test_a_member_larger_than_it_says_gives_no_more_bytes(tmp_path: Path) -> None:
    pack(tmp_path / "t.zip", {"a.jpg": b"A" * 100_000})
    content = bytearray((tmp_path / "t.zip").read_bytes())
    struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, 10)
    struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 16, zlib.crc32(b"A" * 10))
    put(tmp_path / "t.zip", bytes(content))
    assert read_bytes(f"{tmp_path}/t.zip#a.jpg") == b"A" * 10


@pytest.mark.parametrize(
    "name, message", [("b.jpg", "no such file: b.jpg in"), ("a.jpg", "has 9 bytes: a picture may")]
)
def test_a_picture_that_cannot_be_had_of_a_zip_is_a_failure(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cladescope.embedding.locations.MAX_FILE_BYTES", 8)
    pack(tmp_path / "t.zip", {"a.jpg": b"123456789"})
    with pytest.raises(PictureError, match=message):
        read_bytes(f"{tmp_path}/t.zip#{name}")


def test_a_zip_that_changes_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    for content in (b"one", b"longer"):
        pack(path, {"a.jpg": content})
        assert read_bytes(f"{path}#a.jpg") == content


def test_a_file_of_a_folder_may_not_lie_outside_it(tmp_path: Path) -> None:
    put(tmp_path / "secret.txt", b"a")
    package = Package(str(tmp_path / "inner"))
    for name in ("../secret.txt", "/etc/passwd"):
        with pytest.raises(InputError, match="lies outside it"), package.unpacked(name):
            pass


def test_a_table_larger_than_the_free_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match="bytes unpacked, .* room for 10: give TMPDIR a folder with more space"):
        open_source(pack(tmp_path / "t.zip", TABLE))
