"""Several readers and writers of one store: what each of them sees, and when."""

import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.pipeline import embed
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.index.ann.build import build
from cladescope.index.store import Store
from cladescope.index.tables import FRESH_SECONDS
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
NO_FAILURES = failures_table([])
AXIS = np.eye(4, dtype=np.float32)


def add(store, *numbers):
    records = [Record(image_id=f"i{n}", uri=f"/{n}.jpg", source="s", labels={"genus": f"G{n}"}) for n in numbers]
    store.write(images_table(records, AXIS[[n % 4 for n in numbers]].astype(np.float16), (), {}), NO_FAILURES)


def ids(result):
    return {hit.image_id for hit in result.hits}


@pytest.fixture
def path(tmp_path):
    add(Store.create(tmp_path / "s", CARD), 0, 1, 2)
    return tmp_path / "s"


def in_another_process(path, statement):
    code = f"from cladescope.index.store import Store; store = Store.open({str(path)!r}); {statement}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_two_stores_opened_before_either_writes_keep_one_row_a_picture(clades, tmp_path):
    encoder = Encoder.load("pixels")
    first = Store.create(tmp_path / "s", encoder.card)
    second = Store.open(tmp_path / "s")
    assert first.count() == second.count() == 0
    assert embed(open_source(clades / "metadata.csv"), encoder, first).embedded == 48
    again = embed(open_source(clades / "metadata.csv"), encoder, second)
    assert (again.embedded, again.already_stored, second.count()) == (0, 48, 48)


def test_a_reader_opened_earlier_sees_what_another_process_wrote_within_the_stated_time(path):
    reader = Store.open(path)
    assert ids(reader.search(vector=AXIS[0], k=9)) == {"i0", "i1", "i2"}
    in_another_process(path, "store.delete(image_ids=['i0'])")
    add(Store.open(path), 3)
    time.sleep(FRESH_SECONDS + 0.2)
    assert ids(reader.search(vector=AXIS[0], k=9)) == {"i1", "i2", "i3"}
    assert (reader.count(), reader.count(within="G3")) == (3, 1)


def test_a_reader_that_refreshes_sees_it_at_once(path):
    reader = Store.open(path)
    assert reader.count(within="G0") == 1
    add(Store.open(path), 3, 4)
    reader.refresh()
    assert reader.count() == 5
    assert [taxon.name for taxon in reader.taxonomy.taxa("genus")] == ["G0", "G1", "G2", "G3", "G4"]


def test_a_writer_deletes_by_what_is_there_when_it_holds_the_store(path):
    early = Store.open(path)
    assert early.count() == 3
    add(Store.open(path), 7)
    assert early.delete(within="G7") == 1
    assert early.delete(where="genus <> 'G1'") == 2


def test_a_pinned_version_is_shown_whatever_comes_after_it(path):
    store = Store.open(path)
    pinned = Store.open(path, version=store.version)
    store.delete(image_ids=["i0"])
    add(store, 3)
    build(store)
    time.sleep(FRESH_SECONDS + 0.2)
    pinned.refresh()
    assert (pinned.count(), pinned.version) == (3, store.version - 2)
    assert ids(pinned.search(vector=AXIS[0], k=9)) == {"i0", "i1", "i2"}, "the index lacks i0"
    assert ids(store.search(vector=AXIS[0], k=9)) == {"i1", "i2", "i3"}
    assert pinned.count(within="G0") == 1
    with pytest.raises(StoreError, match="no version 99: it has 1, 2, 3, 4; or leave it out"):
        Store.open(path, version=99)
    with pytest.raises(StoreError, match="no version -1: it has 1, 2, 3, 4; or leave it out"):
        Store.open(path, version=-1)


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.delete(image_ids=["i0"]),
        lambda store: store.add_fields([]),
        lambda store: add(store, 5),
        lambda store: store.record_run(verb="embed", source="", started=datetime.now(UTC), status="done", manifest={}),
        lambda store: build(store) if store.writing().__enter__() else None,
    ],
)
def test_a_pinned_version_is_not_written_to(path, write):
    with pytest.raises(StoreError, match="is open at version 2, to read only: open it without one to write"):
        write(Store.open(path, version=2))
    assert Store.open(path).count() == 3
