"""What the disk and the database complain of is one line of ours, panics of the engine among it."""

import pytest

from cladescope.errors import InputError, StoreError
from cladescope.index.files import disk_errors

PANICS = [type(name, (BaseException,), {}) for name in ("PanicException", "RustPanic")]


@pytest.mark.parametrize("kind", [OSError, RuntimeError, ValueError, EOFError, *PANICS])
def test_an_error_of_the_engine_is_one_line_without_its_source(tmp_path, kind):
    with pytest.raises(StoreError) as raised, disk_errors(tmp_path):
        raise kind("lance error: a page\nis odd, /root/lance/src/a.rs:7:9")
    assert str(raised.value) == f"the store {tmp_path} could not be read or written: lance error: a page is odd"


def test_a_store_that_is_damaged_says_what_tells_more(tmp_path):
    (tmp_path / "store.json").write_text("{}")
    said = "a page is odd: verify it to see what is damaged"
    with pytest.raises(StoreError, match=said), disk_errors(tmp_path):
        raise RuntimeError("a page is odd")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("ours"), SystemExit(2), TypeError("a bug")])
def test_what_is_no_error_of_the_engine_passes(tmp_path, error):
    with pytest.raises(type(error)) as raised, disk_errors(tmp_path):
        raise error
    assert raised.value is error
