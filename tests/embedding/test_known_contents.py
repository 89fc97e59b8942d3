import numpy as np
import pyarrow as pa
import pytest

from cladescope.embedding import known_contents
from cladescope.embedding.known_contents import KnownContents
from cladescope.embedding.sorted_rows import UNKNOWN_ROW


class Listed:
    """A store of contents, row by row, that notes what is asked of it."""

    def __init__(self, hashes, first=0):
        self.hashes, self.first, self.asked, self.scanned = list(hashes), first, [], []

    def contents(self):
        return self.scan([], condition=f"_rowid >= {self.first}")

    def scan(self, columns, *, condition):
        self.scanned.append(condition)
        start = int(condition.rpartition(" ")[2]) - self.first
        rows = np.arange(start, len(self.hashes), dtype=np.uint64) + np.uint64(self.first)
        yield pa.record_batch({"content_hash": pa.array(self.hashes[start:], pa.string()), "_rowid": rows})

    def vectors_by_content(self, hashes, *, row_ids=None):
        wanted = set(hashes)
        self.asked.append(sorted(wanted) if row_ids is None else list(row_ids))
        rows = range(len(self.hashes)) if row_ids is None else [row - self.first for row in row_ids]
        return {self.hashes[row]: np.array([1.0]) for row in rows if self.hashes[row] in wanted}


def test_contents_come_from_the_row_that_has_them_or_from_what_waits_for_a_commit():
    store = Listed(["a", None, "b", "a"])
    contents = KnownContents(store)
    assert contents.vectors({"c", "d"}) == {}
    assert store.asked == []
    contents.encoded(["c"], [np.array([7.0])])
    assert contents.vectors({"a", "c", "d"}) == {"a": np.array([1.0]), "c": np.array([7.0])}
    contents.encoded(["e"], [np.array([8.0])])
    store.hashes.append("c")
    contents.committed(["c", "a"])
    assert contents.vectors({"e"}) == {"e": np.array([8.0])}, "what is encoded meanwhile waits for the next commit"
    assert contents.vectors({"c", "b"}).keys() == {"b", "c"}
    assert store.asked == [[0], [2, 4]], "one row of each content is read, and no other"
    assert store.scanned == ["_rowid >= 0", "_rowid >= 4"]
    assert contents.vectors(set()) == {}


def test_contents_of_one_fingerprint_are_told_apart(monkeypatch):
    monkeypatch.setattr(known_contents, "hashed", lambda texts: np.full(len(texts), 7 << 32, np.uint64))
    contents = KnownContents(Listed(["a", "b", "c"]))
    assert contents.vectors({"c", "x"}).keys() == {"c"}
    assert contents.vectors({"a", "b"}).keys() == {"a", "b"}


def test_contents_in_rows_whose_ids_are_too_large_are_sought_in_all():
    store = Listed(["a", "b", "c"], first=UNKNOWN_ROW - 1)
    contents = KnownContents(store)
    assert contents.vectors({"a", "b", "c", "d"}).keys() == {"a", "b", "c"}
    assert store.asked == [["b", "c"], [UNKNOWN_ROW - 1]]


@pytest.mark.parametrize("n_commits", [1, 40])
def test_what_many_commits_wrote_takes_eight_bytes_each_and_few_runs(n_commits):
    store = Listed([])
    contents = KnownContents(store)
    for commit in range(n_commits):
        new = [f"{commit}-{n}" for n in range(16)]
        store.hashes += new
        contents.committed(new)
    assert sum(run.nbytes for run in contents._runs) == 8 * 16 * n_commits
    assert len(contents._runs) < 8
    assert len(contents.vectors({"0-0", f"{n_commits - 1}-15"})) == 2
