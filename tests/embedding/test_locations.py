"""Opening what a record's address says."""

import io
import os
import socket
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cladescope.embedding.bounds import MAX_FILE_BYTES
from cladescope.embedding.locations import local_path, open_location, read_bytes
from cladescope.errors import InputError, PictureError


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_a_local_file_is_read_by_path_and_by_file_url(tmp_path: Path) -> None:
    (tmp_path / "great tit.jpg").write_bytes(b"tit")
    assert read_bytes(f"{tmp_path}/great tit.jpg") == b"tit"
    assert read_bytes(f"file://{tmp_path}/great%20tit.jpg") == b"tit"


def test_a_remote_file_is_read_by_its_url(remote: fsspec.AbstractFileSystem) -> None:
    remote.pipe("/photos/tit.jpg", b"tit")
    assert read_bytes("memory://photos/tit.jpg") == b"tit"


def test_a_member_of_a_local_or_remote_tar_is_read(tmp_path: Path, remote: fsspec.AbstractFileSystem) -> None:
    write_tar(tmp_path / "a.tar", {"x/1.jpg": b"one", "x/2.jpg": b"two"})
    remote.pipe("/a.tar", (tmp_path / "a.tar").read_bytes())
    assert read_bytes(f"{tmp_path}/a.tar#x/2.jpg") == b"two"
    assert read_bytes("memory://a.tar#x/1.jpg") == b"one"


def test_a_missing_member_is_named_with_its_tar(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.jpg": b"one"})
    with pytest.raises(PictureError, match=r"^no such file: 3\.jpg in .*a\.tar$"):
        read_bytes(f"{tmp_path}/a.tar#3.jpg")


@pytest.mark.parametrize("row", [0, 99, 100, 137, 199])
def test_a_row_of_a_parquet_table_is_read_from_any_row_group(tmp_path: Path, row: int) -> None:
    pictures = pa.array([f"picture {i}".encode() for i in range(200)], pa.binary())
    pq.write_table(pa.table({"image_bytes": pictures}), tmp_path / "t.parquet", row_group_size=100)
    assert read_bytes(f"{tmp_path}/t.parquet#row={row}") == f"picture {row}".encode()


def test_a_hugging_face_row_is_read_and_an_empty_or_missing_one_refused(tmp_path: Path) -> None:
    type_ = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"tit", "path": "tit.jpg"}, {"bytes": None, "path": "x.jpg"}, None], type_)
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet")
    assert read_bytes(f"{tmp_path}/t.parquet#row=0") == b"tit"
    for row in (1, 2):
        with pytest.raises(PictureError, match=f"no picture in row {row} of .*t.parquet"):
            read_bytes(f"{tmp_path}/t.parquet#row={row}")
    with pytest.raises(PictureError, match=r"no picture in row 3 of .*: it has 3 rows"):
        read_bytes(f"{tmp_path}/t.parquet#row=3")


def test_a_local_name_that_looks_like_a_member_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.tar#1.jpg").write_bytes(b"itself")
    write_tar(tmp_path / "a.tar", {"1.jpg": b"member"})
    assert read_bytes(f"{tmp_path}/a.tar#1.jpg") == b"itself"


@pytest.mark.parametrize(
    "name, reason",
    [("none.jpg", "no such file: "), ("tit.jpg/x.jpg", "no such file: "), ("folder", "is a folder: ")],
)
def test_what_cannot_be_read_is_refused_with_one_line(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "tit.jpg").write_bytes(b"tit")
    with pytest.raises(PictureError) as caught:
        read_bytes(f"{tmp_path}/{name}")
    assert str(caught.value) == f"{reason}{tmp_path}/{name}"


def test_a_file_without_permission_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cladescope.embedding.locations.os.open", refuse)
    with pytest.raises(PictureError, match=f"^no permission to read {tmp_path}/tit.jpg$"):
        read_bytes(f"{tmp_path}/tit.jpg")


def test_damaged_containers_are_refused_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "t.parquet").write_bytes(b"no table" * 200)
    for uri in (f"{tmp_path}/a.tar#1.jpg", f"{tmp_path}/t.parquet#row=0"):
        with pytest.raises(PictureError, match=r"^cannot read .*(a\.tar|t\.parquet): .+") as caught:
            read_bytes(uri)
        assert "\n" not in str(caught.value)


def test_a_missing_remote_file_is_refused(remote: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(PictureError, match=r"no such file: memory://photos/none.jpg"):
        read_bytes("memory://photos/none.jpg")


def test_an_unknown_scheme_fails_its_own_picture_only() -> None:
    with pytest.raises(PictureError, match=r"^cannot open nowhere://a.jpg: .*nowhere"):
        read_bytes("nowhere://a.jpg")


def test_a_server_that_does_not_answer_is_not_called_a_missing_file() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/tit.jpg"
        with pytest.raises(PictureError, match=f"^cannot reach {url}: .*connect"):
            read_bytes(url)


def test_a_manifests_failure_is_not_a_pictures_failure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as caught, open_location(f"{tmp_path}/a.csv"):
        pass
    assert not isinstance(caught.value, PictureError)


def test_many_threads_read_one_tar_at_once(tmp_path: Path) -> None:
    members = {f"{i}.jpg": f"picture {i}".encode() * 100 for i in range(50)}
    write_tar(tmp_path / "a.tar", members)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: read_bytes(f"{tmp_path}/a.tar#{name}"), members))
    assert found == list(members.values())


def test_only_local_addresses_have_a_local_path() -> None:
    assert local_path("a/b.jpg") == "a/b.jpg"
    assert local_path("file:///a%20b.jpg") == "/a b.jpg"
    assert local_path("https://a/b.jpg") is None


@pytest.mark.parametrize("kind", ["a pipe (FIFO)", "a device", "a socket"])
def test_what_is_no_file_is_refused_at_once_through_a_link_too(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "odd.jpg"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "a device":
            place = Path("/dev/zero")
        elif kind == "a socket":
            listener.bind(str(place))
        else:
            os.mkfifo(place)
        (tmp_path / "link.jpg").symlink_to(place)
        for path in (place, tmp_path / "link.jpg"):
            with pytest.raises(PictureError, match=r"^(cannot read .*|is )") as refusal:
                read_bytes(str(path))
            assert kind == "a socket" or kind in str(refusal.value)


def test_a_file_larger_than_a_picture_may_be_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "big.jpg").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)  # sparse: it takes no room
    with pytest.raises(PictureError, match=r"has 536870913 bytes: a picture may have 536870912"):
        read_bytes(f"{tmp_path}/big.jpg")


def test_a_nul_in_a_name_and_a_link_to_itself_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for path, why in ((f"{tmp_path}/a\0b.jpg", "holds a NUL"), (f"{tmp_path}/loop.jpg", "symbolic links")):
        with pytest.raises(PictureError, match=why) as refusal:
            read_bytes(path)
        assert "\n" not in str(refusal.value)
