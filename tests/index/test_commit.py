"""Shards of a source, embedded apart and put together, are what one job would have made."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.app.verbs import filling
from cladescope.embedding.shards import Shard, number_of
from cladescope.errors import InputError, StoreError
from cladescope.index.store import Store

SHARDS = ("1/3", "2/3", "3/3")


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of two genera, one that is a copy of another, and two files that are no pictures."""
    for place in range(12):
        path = tmp_path / "photos" / ("Parus", "Aglais")[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (20 * place, 255 - 20 * place, 7)).save(path)
    shutil.copy(tmp_path / "photos/Parus/0.png", tmp_path / "photos/Parus/copy.png")
    (tmp_path / "photos/Parus/broken.png").write_bytes(b"no picture")
    (tmp_path / "photos/empty.png").write_bytes(b"")
    for path in (tmp_path / "photos").rglob("*.png"):
        os.utime(path, (1_700_000_000, 1_700_000_000))  # a file that was changed a moment ago may be looked into again
    return tmp_path / "photos"


def rows(store):
    """All rows with their vectors, by id, and the failures, whatever order they have."""
    table = store.table()
    listed = [
        row | {"vector": tuple(vector)} for row, vector in zip(table.to_pylist(), store.matrix().tolist(), strict=True)
    ]
    return {row["image_id"]: row for row in listed}, sorted(map(json.dumps, store.failures.to_pylist()))


def embed_shards(folder, store, shards=SHARDS, **settings):
    return [cladescope.embed(folder, store, encoder="pixels", shard=one, **settings) for one in shards]


def committed(store):
    (done,) = cladescope.commit(store).sources.values()
    return done


def test_every_record_is_in_one_shard_and_always_in_the_same():
    numbers = [number_of(f"{place}", 7) for place in range(7000)]
    assert {numbers.count(number) // 100 for number in range(1, 8)} <= {8, 9, 10, 11}
    assert number_of("great tit", 64) == 59
    assert [shard for shard in range(1, 65) if Shard(shard, 64).holds("great tit")] == [59]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/100000", "1/4/2", ""])
def test_what_is_no_shard_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="found the shard"):
        Shard.parse(text)


def test_shards_put_together_are_the_rows_of_one_run(folder, tmp_path):
    summaries = embed_shards(folder, tmp_path / "many.store")
    done = committed(tmp_path / "many.store")
    cladescope.embed(folder, tmp_path / "one.store", encoder="pixels")
    assert sum(summary.records for summary in summaries) == 15
    assert (done.parts, done.rows, done.added, done.failures) == (3, 13, 13, 2)
    many, one = Store.open(tmp_path / "many.store"), Store.open(tmp_path / "one.store")
    assert rows(many) == rows(one)
    assert many.schema == one.schema
    columns = ["address", "image_id", "size", "modified", "said", "gone"]
    listed = [
        sorted(map(str, (row for batch in store.origins(columns) for row in batch.to_pylist())))
        for store in (many, one)
    ]
    assert listed[0] == listed[1]
    assert cladescope.verify(tmp_path / "many.store").is_sound


def test_putting_together_twice_changes_nothing(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store")
    committed(tmp_path / "many.store")
    before = Store.open(tmp_path / "many.store")
    version, held = before.version, rows(before)
    embed_shards(folder, tmp_path / "many.store")
    done = committed(tmp_path / "many.store")
    assert (done.added, done.already_stored, done.changed, done.relabelled, done.gone) == (0, 13, 0, 0, 0)
    after = Store.open(tmp_path / "many.store")
    assert (after.version, rows(after)) == (version, held)


def test_a_store_filled_by_shards_is_kept_in_step_by_a_plain_run(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store")
    committed(tmp_path / "many.store")
    summary = cladescope.embed(folder, tmp_path / "many.store")
    assert (summary.already_stored, summary.embedded, summary.gone, summary.failed) == (13, 0, 0, 2)


def test_what_changed_in_the_source_is_taken_over(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store")
    committed(tmp_path / "many.store")
    Image.new("RGB", (30, 30), (9, 200, 9)).save(folder / "Parus/2.png")
    Image.new("RGB", (30, 30), (9, 9, 200)).save(folder / "Parus/new.png")
    Image.new("RGB", (30, 30), (200, 9, 200)).save(folder / "Parus/broken.png")
    (folder / "Aglais/1.png").unlink()
    (folder / "empty.png").unlink()
    embed_shards(folder, tmp_path / "many.store")
    done = committed(tmp_path / "many.store")
    assert (done.added, done.changed, done.gone, done.pruned, done.failures) == (2, 1, 1, 0, 0)
    assert Store.open(tmp_path / "many.store").gone().num_rows == 1
    embed_shards(folder, tmp_path / "many.store", prune=True)
    assert committed(tmp_path / "many.store").pruned == 1
    cladescope.embed(folder, tmp_path / "one.store", encoder="pixels")
    assert rows(Store.open(tmp_path / "many.store")) == rows(Store.open(tmp_path / "one.store"))


def test_labels_that_the_source_corrects_are_taken_over_and_those_corrected_in_the_store_stay(tmp_path):
    for place in range(6):
        Image.new("RGB", (9, 9), (40 * place, 9, 9)).save(tmp_path / f"{place}.png")
    table = tmp_path / "table.csv"
    lines = [f"{place}.png,Parus,{place}" for place in range(6)]
    table.write_text("\n".join(["file_name,genus,plot", *lines]))
    embed_shards(table, tmp_path / "many.store")
    committed(tmp_path / "many.store")
    ids = {row["uri"][-5]: row["image_id"] for row in Store.open(tmp_path / "many.store").table().to_pylist()}
    (tmp_path / "right.csv").write_text(f"image_id,genus\n{ids['5']},Poecile\n")
    cladescope.relabel(tmp_path / "many.store", tmp_path / "right.csv")
    table.write_text("\n".join(["file_name,genus,plot", "0.png,Cyanistes,0", *lines[1:]]))
    embed_shards(table, tmp_path / "many.store")
    done = committed(tmp_path / "many.store")
    assert (done.relabelled, done.added, done.changed) == (1, 0, 0)
    genera = {row["uri"][-5]: row["genus"] for row in Store.open(tmp_path / "many.store").table().to_pylist()}
    assert genera == {"0": "Cyanistes", "1": "Parus", "2": "Parus", "3": "Parus", "4": "Parus", "5": "Poecile"}


def test_a_shard_that_is_missing_is_named_in_one_line_and_nothing_is_written(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store", shards=("1/3", "3/3"))
    with pytest.raises(StoreError, match=r"not all parts of .*photos are there: 2/3 is missing: embed these shards"):
        cladescope.commit(tmp_path / "many.store")
    assert not (tmp_path / "many.store/store.json").exists()


def test_a_shard_that_is_half_done_is_named(folder, tmp_path):
    summaries = embed_shards(folder, tmp_path / "many.store")
    # Which shard has which pictures hangs on where the folder lies.
    number = 1 + int(np.argmax([summary.embedded for summary in summaries]))
    place = next((tmp_path / "many.store/parts").glob(f"*/0000{number}-of-00003"))
    part = Store.open(place)
    with part.writing():
        part.write(
            part.table().slice(0, 0).append_column("vector", part._images.to_arrow().slice(0, 0)["vector"]),
            part.failures.slice(0, 0),
        )
        part._images.delete("width = 20")
    with pytest.raises(StoreError, match=f"{number}/3 is not finished"):
        cladescope.commit(tmp_path / "many.store")
    embed_shards(folder, tmp_path / "many.store", shards=(f"{number}/3",))
    assert committed(tmp_path / "many.store").added == 13


def test_a_store_without_parts_and_one_with_parts_of_two_divisions_are_refused(folder, tmp_path):
    with pytest.raises(StoreError, match="has no parts"):
        cladescope.commit(tmp_path / "many.store")
    embed_shards(folder, tmp_path / "many.store", shards=("1/2",))
    embed_shards(folder, tmp_path / "other.store", shards=("1/3",))  # begun at the same time, elsewhere
    (place,) = (tmp_path / "other.store/parts").glob("*/00001-of-00003")
    shutil.copytree(place, tmp_path / "many.store/parts" / place.parent.name / place.name)
    with pytest.raises(StoreError, match="holds parts of 2 and of 3 shards"):
        cladescope.commit(tmp_path / "many.store")


def test_a_shard_of_another_division_is_refused_before_it_is_embedded(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store", shards=("1/3",))
    with pytest.raises(
        StoreError, match=r"holds parts of 3 shards of this source, and 2/4 is one of 4: divide it into 3"
    ):
        embed_shards(folder, tmp_path / "many.store", shards=("2/4",))
    embed_shards(folder / "Parus", tmp_path / "many.store", shards=("2/4",))  # another source
    assert len(list((tmp_path / "many.store/parts").glob("*/*"))) == 2


def test_a_source_whose_address_has_the_hash_of_another_s_is_refused(folder, tmp_path, monkeypatch):
    embed_shards(folder, tmp_path / "many.store", shards=("1/3",))
    (place,) = (tmp_path / "many.store/parts").glob("*/*")
    monkeypatch.setattr(filling, "place_of", lambda *_: str(place))
    with pytest.raises(
        StoreError, match=r"is a part of .*photos, not of .*Parus: embed one of them into another store"
    ):
        embed_shards(folder / "Parus", tmp_path / "many.store", shards=("1/3",))
    embed_shards(folder, tmp_path / "many.store", shards=("1/3",))


def test_a_shard_by_another_encoder_than_the_store_s_leaves_no_part(folder, tmp_path):
    cladescope.embed(folder, tmp_path / "many.store", encoder="pixels")
    with pytest.raises(StoreError, match="encoder 'pixels' is not 'tiny'"):
        cladescope.embed(folder, tmp_path / "many.store", encoder="tiny", shard="1/1")
    assert not (tmp_path / "many.store/parts").exists()
    assert cladescope.embed(folder, tmp_path / "many.store", shard="1/1").embedded == 13


def test_parts_made_with_different_settings_are_refused(folder, tmp_path):
    embed_shards(folder, tmp_path / "many.store", shards=("1/2",))
    embed_shards(folder, tmp_path / "many.store", shards=("2/2",), limit=3)
    with pytest.raises(StoreError, match=r"were made with different limit \(None and 3\)"):
        cladescope.commit(tmp_path / "many.store")


def test_an_id_that_the_store_has_for_another_picture_is_refused_and_counted(folder, tmp_path):
    for name, colour in {"a": "red", "b": "blue"}.items():
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.csv").write_text(f"file_name,image_id\n{name}.png,same\n")
    cladescope.embed(tmp_path / "a.csv", tmp_path / "many.store", encoder="pixels")
    embed_shards(tmp_path / "b.csv", tmp_path / "many.store", shards=("1/2", "2/2"))
    done = committed(tmp_path / "many.store")
    assert (done.refused, done.added) == (1, 0)
    (note,) = Store.open(tmp_path / "many.store").failures.to_pylist()
    assert note["reason"] == "image_id 'same' is stored for another picture: ids must be unique"


def test_limit_is_that_of_the_source(folder, tmp_path):
    summaries = embed_shards(folder, tmp_path / "many.store", limit=5)
    assert sum(summary.records for summary in summaries) == 5


def test_pictures_in_memory_have_no_shards(tmp_path):
    with pytest.raises(InputError, match="a source with an address"):
        cladescope.embed([Image.new("RGB", (9, 9))], tmp_path / "many.store", encoder="pixels", shard="1/2")


def test_the_command_line_embeds_shards_and_puts_them_together(folder, tmp_path, run):
    for shard in SHARDS:
        told = json.loads(
            run("embed", folder, "--store", tmp_path / "s.store", "--shard", shard, "--encoder", "pixels", "--json").out
        )
        assert told["encoder"] == "pixels"
    assert run("commit", tmp_path / "s.store", "--json").json["sources"][str(folder)]["added"] == 13
    shown = run("commit", tmp_path / "s.store", "--remove-parts").out
    assert "added" in shown
    assert not (tmp_path / "s.store/parts").exists()
    assert run("info", tmp_path / "s.store", "--json").json["images"] == 13
