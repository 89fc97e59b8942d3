"""Joins of tables on the disk: the same rows in the same order as in memory, and nothing left behind."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.sources.joined import Joining
from cladescope.errors import InputError
from tests.embedding.reading import put

KEYS = st.lists(st.sampled_from(["a", "b", "c", "7", "007", "1e5", "NaN", "é"]), min_size=1, max_size=12)


def text(path: Path) -> DelimitedText:
    return DelimitedText(str(path), local_opener(path))


@settings(max_examples=20, deadline=None)
@given(occurrences=KEYS, media=KEYS)
def test_a_join_has_each_pair_once_in_the_order_of_lines(occurrences: list[str], media: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        left = put(
            Path(folder, "l.csv"), ("id,n\n" + "".join(f"{id_},{n}\n" for n, id_ in enumerate(occurrences))).encode()
        )
        right = put(Path(folder, "r.csv"), ("of,m\n" + "".join(f"{id_},{n}\n" for n, id_ in enumerate(media))).encode())
        with Joining() as joining:
            joining.read("seen", text(left), {"id": "id", "n": "n"})
            joining.read("media", text(right), {"of": "of", "m": "m"})
            lost = joining.count("FROM media ANTI JOIN seen ON of = id")
            rows = joining.rows("SELECT id, n, m FROM seen JOIN media ON of = id ORDER BY seen.line, media.line")
        found = [tuple(row.values()) for batch in rows.batches() for row in batch.to_pylist()]
    assert found == [(a, str(n), str(m)) for n, a in enumerate(occurrences) for m, b in enumerate(media) if a == b]
    assert lost == sum(one not in occurrences for one in media)
    assert rows.n_rows == len(found)


def test_temporary_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = put(tmp_path / "t.csv", b"id,n\na,1\nb\n")
    there = tmp_path / "temporary"
    there.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(there))
    with pytest.raises(InputError, match=r"line 3 of .*t\.csv has 1 values, its header 2"), Joining() as joining:
        joining.read("seen", text(table), {"id": "id"})
    put(table, b"id,n\na,1\n")
    with Joining() as joining:
        joining.read("seen", text(table), {"id": "id"})
        rows = joining.rows("SELECT id FROM seen ORDER BY line")
    assert len(list(there.iterdir())) == 1
    assert [batch.to_pylist() for batch in rows.batches()] == [[{"id": "a"}]]
    del rows
    assert not list(there.iterdir())
