"""Shards by several encoders, put together, hold the vectors that one job would have given."""

import json
from dataclasses import replace

import pytest
from PIL import Image

import cladescope
from cladescope.embedding.encoder import Encoder
from cladescope.errors import StoreError
from cladescope.index.store import Store
from tests.index.test_commit import SHARDS, committed, folder, rows
from tests.index.toy import Toy

__all__ = ["folder"]


@pytest.fixture(scope="module")
def pixels():
    return Encoder.load("pixels")


def embed_shards(source, store, encoders, shards=SHARDS, **settings):
    return [cladescope.embed(source, store, encoder=encoders, shard=one, **settings) for one in shards]


def held(path):
    """Rows with their vectors by the store's own encoder, and by each of the others."""
    store = Store.open(path)
    return {name: rows(Store.open(path, vectors=name)) for name in (None, *store.named)}, store.schema


def test_shards_of_several_encoders_put_together_are_the_store_of_one_job(folder, pixels, tmp_path):
    summaries = embed_shards(folder, tmp_path / "many", [pixels, Toy()])
    assert (sum(one.embedded for one in summaries), sum(one.filled for one in summaries)) == (13, 0)
    done = committed(tmp_path / "many")
    assert (done.added, done.filled, done.failures) == (13, 0, 2)
    cladescope.embed(folder, tmp_path / "one", encoder=[pixels, Toy()])
    found, wanted = held(tmp_path / "many"), held(tmp_path / "one")
    assert found == wanted
    assert [len(found[0][name][0]) for name in (None, "toy")] == [13, 13]
    assert {name: card.difference(Toy().card) for name, card in Store.open(tmp_path / "many").named.items()} == {
        "toy": None
    }
    assert cladescope.verify(tmp_path / "many").is_sound
    version = Store.open(tmp_path / "many").version
    assert (committed(tmp_path / "many").added, Store.open(tmp_path / "many").version) == (0, version)


def test_pictures_that_are_stored_get_the_vectors_that_they_lack(folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "many", encoder=pixels)
    embed_shards(folder, tmp_path / "many", [Toy(), pixels])  # in whatever order: the store's own is the first
    done = committed(tmp_path / "many")
    assert (done.added, done.already_stored, done.filled) == (0, 13, 13)
    cladescope.embed(folder, tmp_path / "one", encoder=[pixels, Toy()])
    assert held(tmp_path / "many") == held(tmp_path / "one")
    assert committed(tmp_path / "many").filled == 0


def test_shards_by_one_encoder_get_vectors_of_a_second_when_they_are_embedded_again(folder, pixels, tmp_path):
    embed_shards(folder, tmp_path / "many", pixels)
    committed(tmp_path / "many")
    summaries = embed_shards(folder, tmp_path / "many", [pixels, Toy()])
    assert (sum(one.embedded for one in summaries), sum(one.filled for one in summaries)) == (0, 13)
    assert committed(tmp_path / "many").filled == 13
    cladescope.embed(folder, tmp_path / "one", encoder=[pixels, Toy()])
    assert held(tmp_path / "many") == held(tmp_path / "one")


def test_what_changed_has_the_new_vectors_of_all_encoders(folder, pixels, tmp_path):
    for _ in range(2):
        embed_shards(folder, tmp_path / "many", [pixels, Toy()])
        done = committed(tmp_path / "many")
        Image.new("RGB", (30, 30), (9, 200, 9)).save(folder / "Parus/2.png")
        Image.new("RGB", (30, 30), (9, 9, 200)).save(folder / "Parus/new.png")
    assert (done.added, done.changed) == (1, 1)
    cladescope.embed(folder, tmp_path / "one", encoder=[pixels, Toy()])
    assert held(tmp_path / "many") == held(tmp_path / "one")


def test_vectors_keep_the_name_that_the_store_has_for_them(folder, pixels, tmp_path):
    first, second = Toy(), Toy()
    second.card = replace(second.card, weight_hash="others")
    cladescope.embed(folder / "Aglais", tmp_path / "many", encoder=[pixels, first])
    embed_shards(folder, tmp_path / "many", [pixels, second])
    found = cladescope.commit(tmp_path / "many")
    (done,) = found.sources.values()
    named = Store.open(tmp_path / "many").named
    assert [(name, card.weight_hash) for name, card in named.items()] == [("toy", "toy"), ("toy_2", "others")]
    assert (done.added, done.already_stored, done.filled) == (7, 6, 6)
    assert found.notes == ("7 pictures have no vector of toy: embed with all encoders of the store",)
    assert Store.open(tmp_path / "many", vectors="toy_2").count() == 13


def test_parts_of_different_encoders_are_refused(folder, pixels, tmp_path):
    embed_shards(folder, tmp_path / "many", [pixels, Toy()], shards=("1/2",))
    embed_shards(folder, tmp_path / "many", [pixels], shards=("2/2",))
    with pytest.raises(StoreError, match=r"were made with different encoder \(pixels \+ toy and pixels\)"):
        cladescope.commit(tmp_path / "many")
    other = Toy()
    other.card = replace(other.card, weight_hash="others")
    embed_shards(folder, tmp_path / "more", [pixels, Toy()], shards=("1/2",))
    embed_shards(folder, tmp_path / "more", [pixels, other], shards=("2/2",))
    with pytest.raises(StoreError, match="hold vectors of different encoders"):
        cladescope.commit(tmp_path / "more")
    assert not (tmp_path / "more/store.json").exists()


def test_a_kill_between_rows_and_vectors_is_made_good(folder, pixels, tmp_path, monkeypatch):
    cladescope.embed(folder, tmp_path / "many", encoder=pixels)
    embed_shards(folder, tmp_path / "many", [pixels, Toy()])
    done, update = [], Store.update

    def gives_up(self, table):
        done.append(table.num_rows)
        if len(done) == 2:
            raise KeyboardInterrupt
        update(self, table)

    monkeypatch.setattr(Store, "update", gives_up)
    with pytest.raises(KeyboardInterrupt):
        cladescope.commit(tmp_path / "many")
    monkeypatch.undo()
    assert committed(tmp_path / "many").filled == 13 - done[0]
    cladescope.embed(folder, tmp_path / "one", encoder=[pixels, Toy()])
    assert held(tmp_path / "many") == held(tmp_path / "one")


def test_the_command_line_divides_several_encoders(folder, tmp_path, run, monkeypatch):
    for shard in ("1/2", "2/2"):
        told = run(
            "embed",
            folder,
            "--store",
            tmp_path / "s",
            "--encoder",
            "pixels",
            "--encoder",
            "tiny",
            "--shard",
            shard,
            "--json",
        )
        assert (told.json["encoder"], told.json["vectors"]) == ("pixels", ["tiny"])
    assert run("commit", tmp_path / "s", "--json").json["notes"] == []
    assert Store.open(tmp_path / "s", vectors="tiny").count() == 13
    assert json.loads(run("info", tmp_path / "s", "--vectors", "tiny", "--json").out)["images"] == 13
