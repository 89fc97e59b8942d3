"""A URL where a local path is needed is refused, however it is spelt."""

from pathlib import Path

import pytest

from cladescope.errors import InputError
from cladescope.paths import local_path


@pytest.mark.parametrize(
    "address",
    ["s3://bucket/x", "gs://bucket/x", "S3://bucket/x", "https://a.org/x", "abfs+ssl://a/x", "memory://x", "file:///x"],
)
def test_a_url_is_refused_as_a_text_and_as_a_path(address):
    for given in (address, Path(address)):
        with pytest.raises(InputError, match=r"expected a local path") as refused:
            local_path(given)
        assert address.partition("://")[0] in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_address_is_shown_as_it_was_written():
    with pytest.raises(InputError, match=r"found s3://bucket/a/b, expected"):
        local_path(Path("s3://bucket/a/b"))


@pytest.mark.parametrize("path", ["photos.store", "/data/photos", "C:/photos", "../a", "a:b", "12:30/x", "s3/x"])
def test_a_local_path_stays_as_it_is(path):
    assert local_path(path) == Path(path)
    assert local_path(Path(path)) == Path(path)


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(InputError, match="NUL"):
        local_path("a\0b")


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_present_folder(path):
    with pytest.raises(InputError, match="name a file or folder"):
        local_path(path)
