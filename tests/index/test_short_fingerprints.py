"""Where ids and contents have the fingerprints of others, nothing is marked as gone, passed over or taken as known that is not."""

import shutil

import pytest
from PIL import Image

import cladescope
from cladescope.index import commit
from cladescope.index.store import Store
from tests.embedding.fingerprints import BITS, short_fingerprints
from tests.embedding.test_in_step import change_in_ten_ways, equals_a_fresh_one, garden, picture, run
from tests.index.test_commit import SHARDS, committed, embed_shards, folder, rows

__all__ = ["folder"]


@pytest.fixture(params=BITS)
def short(request):
    """Fingerprints of so many bits."""
    with short_fingerprints(request.param):
        yield request.param


def test_a_folder_that_is_embedded_again_is_as_it_was(short, tmp_path):
    source = garden(tmp_path / "garden", 20)
    first, _ = run(source, tmp_path / "s")
    assert (first.embedded, first.failed) == (20, 0)
    again, store = run(source, tmp_path / "s")
    assert (again.already_stored, again.embedded, again.failed, again.gone, again.changed) == (20, 0, 0, 0, 0)
    assert store.gone().num_rows == 0
    assert equals_a_fresh_one(source, store, tmp_path)


def test_what_changed_in_every_way_is_as_in_a_fresh_store(short, tmp_path):
    source = garden(tmp_path / "garden", 28)
    run(source, tmp_path / "s")
    change_in_ten_ways(source)
    told, store = run(source, tmp_path / "s", prune=True)
    assert equals_a_fresh_one(source, store, tmp_path)
    assert (told.embedded, told.changed, told.moved, told.failed) == (14, 3, 9, 1)


def test_what_is_gone_is_marked_and_nothing_else(short, tmp_path):
    source = garden(tmp_path / "garden", 12)
    run(source, tmp_path / "s")
    (source / "kind1/001.png").unlink()
    picture(source / "kind1/later.png", 77)
    told, store = run(source, tmp_path / "s")
    assert (told.embedded, told.already_stored, told.gone) == (1, 11, 1)
    assert [row["uri"].rpartition("/")[2] for row in store.gone().to_pylist()] == ["001.png"]


def test_pictures_of_two_sources_do_not_touch_each_other(short, tmp_path):
    one, other = garden(tmp_path / "one", 8), garden(tmp_path / "other", 8)
    run(one, tmp_path / "s")
    run(other, tmp_path / "s")
    (one / "kind0/000.png").unlink()
    told, _ = run(other, tmp_path / "s")
    assert (told.already_stored, told.gone, told.failed) == (8, 0, 0)
    told, store = run(one, tmp_path / "s", prune=True)
    assert (told.already_stored, told.gone, told.pruned) == (7, 1, 1)
    assert store.count() == 15


def test_a_strict_job_refuses_no_id_for_its_fingerprint(short, tmp_path):
    source = garden(tmp_path / "garden", 8)
    assert run(source, tmp_path / "s", strict=True)[0].embedded == 8
    assert run(source, tmp_path / "s", strict=True)[0].already_stored == 8


def test_each_content_has_its_own_vector(short, tmp_path):
    source = garden(tmp_path / "garden", 10)
    run(source, tmp_path / "s")
    for number in range(3):
        shutil.copy(source / f"kind{number}/00{number}.png", source / f"copy{number}.png")
    told, store = run(source, tmp_path / "s")
    assert (told.embedded, told.reused) == (3, 3)
    assert equals_a_fresh_one(source, store, tmp_path)


def test_what_a_killed_job_listed_and_did_not_store_is_embedded(short, tmp_path, monkeypatch):
    source = garden(tmp_path / "garden", 8)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "s")
    assert sum(batch.num_rows for batch in Store.open(tmp_path / "s").origins(["image_id"])) == 8
    (source / "kind0/000.png").unlink()
    told, store = run(source, tmp_path / "s")
    assert (told.embedded, told.gone) == (7, 0)
    assert sum(batch.num_rows for batch in store.origins(["image_id"])) in (7, 8)
    assert equals_a_fresh_one(source, store, tmp_path)


def test_shards_are_put_together_as_one_job_would_have_it(short, folder, tmp_path):
    for _ in range(2):
        embed_shards(folder, tmp_path / "many")
        done = committed(tmp_path / "many")
        Image.new("RGB", (30, 30), (9, 200, 9)).save(folder / "Parus/2.png")
        Image.new("RGB", (30, 30), (9, 9, 200)).save(folder / "Parus/new.png")
        (folder / "Aglais/1.png").unlink(missing_ok=True)
    assert (done.added, done.changed, done.gone, done.already_stored, done.refused) == (1, 1, 1, 12, 0)
    assert Store.open(tmp_path / "many").gone().num_rows == 1
    embed_shards(folder, tmp_path / "many", prune=True)
    assert committed(tmp_path / "many").pruned == 1
    cladescope.embed(folder, tmp_path / "one", encoder="pixels")
    assert rows(Store.open(tmp_path / "many")) == rows(Store.open(tmp_path / "one"))
    version = Store.open(tmp_path / "many").version
    embed_shards(folder, tmp_path / "many", shards=SHARDS, prune=True)
    assert (committed(tmp_path / "many").already_stored, Store.open(tmp_path / "many").version) == (13, version)


def test_rows_that_lie_elsewhere_since_are_found(short, tmp_path):
    source = garden(tmp_path / "garden", 6)
    run(source, tmp_path / "s")
    store = Store.open(tmp_path / "s")
    known = commit.RowsById(store.tables["images"], store.schema, store.stored_ids())
    ids = store.table(["image_id"])["image_id"].combine_chunks()
    known._rows = known._rows + 1000  # as where a table has no stable row ids, and was compacted
    assert sorted(known.read(ids[:4], ["uri"])["uri"].to_pylist()) == sorted(
        store.table(["uri"])["uri"].to_pylist()[:4]
    )
