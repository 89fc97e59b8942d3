"""A store in step with its source: after pictures changed in every way, one run makes it equal to a fresh one."""

import csv
import os
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.records import id_of_uri
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.index.verify import verify

COLUMNS = ("image_id", "uri", "source", "content_hash", "width", "genus", "species", "label", "vector")


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((48, 36)).save(path)
    os.utime(path, (1_700_000_000 + seed, 1_700_000_000 + seed))
    return path


def garden(root, n=60):
    for number in range(n):
        picture(root / f"kind{number % 4}" / f"{number:03}.png", number)
    return root


def run(source, path, **settings):
    encoder = Encoder.load("pixels")
    store = Store.open_or_create(path, encoder.card)
    config = EmbedConfig(address=str(source), workers=2, **settings)
    return embed(open_source(source), encoder, store, config), Store.open(path)


def rows_of(store):
    names = [name for name in COLUMNS if name in store.schema.names]
    return sorted((row for batch in store.scan(names) for row in batch.to_pylist()), key=lambda row: row["image_id"])


def failed(store):
    return sorted((row["uri"], row["stage"]) for row in store.failures.to_pylist())


def equals_a_fresh_one(source, store, tmp_path):
    _, fresh = run(source, tmp_path / f"fresh{len(list(tmp_path.iterdir()))}.store")
    assert rows_of(store) == rows_of(fresh)
    assert failed(store) == failed(fresh)
    report = verify(store.path)
    assert report.problems == ()
    return True


def change_in_ten_ways(root):
    """Rename, edit, delete, relabel, move, duplicate, add, swap, touch only, replace by a bad file."""
    a, b, c, d = (root / f"kind{number}" for number in range(4))
    (a / "000.png").rename(a / "renamed.png")
    picture(b / "001.png", 1001)
    (c / "002.png").unlink()
    (d / "003.png").rename(a / "003.png")
    (b / "005.png").rename(root / "005.png")
    shutil.copy2(a / "004.png", a / "twin.png")
    picture(d / "new.png", 1002)
    first, second, aside = a / "008.png", a / "012.png", root / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    os.utime(b / "009.png")
    (c / "006.png").write_bytes(b"no picture")
    d.rename(root / "kind9")


def test_after_ten_kinds_of_changes_one_pruning_run_makes_the_store_equal_to_a_fresh_one(tmp_path):
    source = garden(tmp_path / "garden")
    run(source, tmp_path / "s")
    change_in_ten_ways(source)
    summary, store = run(source, tmp_path / "s", prune=True)
    assert equals_a_fresh_one(source, store, tmp_path)
    assert summary.moved == 3 + 14, "renamed, two moved, and the pictures of the folder that was renamed"
    assert (summary.changed, summary.gone, summary.pruned, summary.failed) == (3, 2, 2, 1)
    assert summary.embedded == summary.moved + summary.changed + 2, "the twin and the new one"
    assert summary.reused == summary.embedded - 2, "only the edited and the new picture were encoded"
    again, store = run(source, tmp_path / "s", prune=True)
    assert (again.already_stored, again.embedded, again.gone, again.failed) == (60, 0, 0, 1)


def test_what_is_gone_is_counted_and_listed_and_stays_until_it_is_pruned(tmp_path):
    source = garden(tmp_path / "garden", 8)
    run(source, tmp_path / "s")
    lost, spoilt = source / "kind0" / "004.png", source / "kind1" / "005.png"
    lost.unlink()
    spoilt.write_bytes(b"no picture")
    for _ in range(2):
        summary, store = run(source, tmp_path / "s")
        assert (summary.gone, summary.gone_uris) == (2, [str(lost), str(spoilt)])
        assert store.count() == 8
        assert sorted(store.gone().column("uri").to_pylist()) == [str(lost), str(spoilt)]
        assert failed(store) == [], "a picture stands in one table"
        assert verify(store.path).is_sound
    assert sorted(store.missing()) == sorted([id_of_uri(str(lost)), id_of_uri(str(spoilt))])
    picture(lost, 4)
    summary, store = run(source, tmp_path / "s")
    assert (summary.gone, summary.embedded) == (1, 0), "what came back is not encoded again"
    summary, store = run(source, tmp_path / "s", prune=True)
    assert (summary.pruned, failed(store)) == (1, [(str(spoilt), "decode")])
    assert equals_a_fresh_one(source, store, tmp_path)


def test_a_part_of_a_source_and_another_source_make_nothing_look_gone(tmp_path):
    source, other = garden(tmp_path / "garden", 8), garden(tmp_path / "other", 4)
    run(source, tmp_path / "s")
    for part in (source / "kind0", other):
        assert run(part, tmp_path / "s", prune=True)[0].gone == 0
    assert run(source, tmp_path / "s", limit=2)[0].gone == 0
    assert run(source, tmp_path / "s")[1].count() == 12
    with pytest.raises(InputError, match="prune looks at the whole source"):
        EmbedConfig(address="a", prune=True, limit=2)
    with pytest.raises(InputError, match="prune needs a source"):
        EmbedConfig(prune=True)


def test_a_picture_that_another_source_lists_is_not_pruned(tmp_path):
    source = garden(tmp_path / "garden", 4)
    table = tmp_path / "t.csv"
    write_table(table, [(str(path), "Parus", "major") for path in sorted(source.glob("*/*.png"))])
    run(source, tmp_path / "s")
    run(table, tmp_path / "s")
    write_table(table, [(str(source / "kind0" / "000.png"), "Parus", "major")])
    summary, store = run(table, tmp_path / "s", prune=True)
    assert (summary.gone, summary.pruned, store.count()) == (3, 0, 4)


def write_table(path, rows, names=("file", "genus", "species")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def test_corrected_labels_are_taken_over_without_encoding_and_what_the_store_put_right_stays(tmp_path):
    source = garden(tmp_path / "garden", 4)
    paths = sorted(map(str, source.glob("*/*.png")))
    table = write_table(tmp_path / "t.csv", [(path, "Parus", "ater") for path in paths])
    run(source, tmp_path / "s")
    first, store = run(table, tmp_path / "s")
    assert (first.relabelled, first.embedded) == (4, 0), "the folder named no species"
    species = {row["uri"]: row["species"] for row in rows_of(store)}
    assert set(species.values()) == {"Parus ater"}
    write_table(table, [(path, "Parus", "major" if path == paths[0] else "ater") for path in paths])
    row_id = store.row(id_of_uri(paths[0]), ["vector"])
    second, store = run(table, tmp_path / "s")
    assert (second.relabelled, second.already_stored) == (1, 4)
    corrected = store.row(id_of_uri(paths[0]), ["vector", "species"])
    assert corrected == {**row_id, "species": "Parus major"}, "the row, its vector and its row id stay"
    write_table(table, [(path, "", "") if path == paths[0] else (path, "Parus", "ater") for path in paths])
    _, store = run(table, tmp_path / "s")
    assert store.row(id_of_uri(paths[0]), ["species"])["species"] is None
    assert run(source, tmp_path / "s")[0].relabelled == 0


def test_an_id_of_the_source_stays_with_its_picture_where_that_moves(tmp_path):
    source = garden(tmp_path / "garden", 3)
    paths = sorted(map(str, source.glob("*/*.png")))
    names = ("image_id", "file")
    table = write_table(tmp_path / "t.csv", [(f"i{n}", path) for n, path in enumerate(paths)], names)
    run(table, tmp_path / "s")
    (source / "kind0" / "000.png").rename(source / "moved.png")
    paths[0] = str(source / "moved.png")
    picture(source / "other.png", 99)
    paths[1] = str(source / "other.png")
    write_table(table, [(f"i{n}", path) for n, path in enumerate(paths)], names)
    summary, store = run(table, tmp_path / "s", prune=True)
    assert (summary.moved, summary.changed, summary.failed, summary.gone) == (1, 1, 0, 0)
    assert equals_a_fresh_one(table, store, tmp_path)


def test_a_store_of_an_earlier_version_learns_in_its_first_run_and_sees_what_changed(tmp_path):
    source = garden(tmp_path / "garden", 6)
    encoder = Encoder.load("pixels")
    embed(open_source(source), encoder, Store.create(tmp_path / "s", encoder.card))
    assert not list(Store.open(tmp_path / "s").origins(["image_id"]))
    picture(source / "kind1" / "001.png", 77)
    summary, store = run(source, tmp_path / "s")
    assert (summary.changed, summary.already_stored) == (1, 5)
    (source / "kind1" / "001.png").unlink()
    summary, store = run(source, tmp_path / "s", prune=True)
    assert (summary.pruned, store.count()) == (1, 5)


def test_a_folder_that_was_moved_whole_is_recognised_and_a_copy_is_not(tmp_path):
    source = garden(tmp_path / "garden", 8)
    run(source, tmp_path / "s")
    before = sorted(tuple(row["vector"]) for row in rows_of(Store.open(tmp_path / "s")))
    shutil.copytree(source, tmp_path / "copy")
    summary, store = run(tmp_path / "copy", tmp_path / "s")
    assert (summary.moved, summary.reused, store.count()) == (0, 8, 16)
    shutil.rmtree(tmp_path / "copy")
    source.rename(tmp_path / "meadow")
    summary, store = run(tmp_path / "meadow", tmp_path / "s")
    assert (summary.moved, summary.embedded, summary.reused, store.count()) == (8, 8, 8, 16)
    store.delete(missing=True)
    assert equals_a_fresh_one(tmp_path / "meadow", store, tmp_path)
    assert sorted(tuple(row["vector"]) for row in rows_of(store)) == before


def test_an_unchanged_file_is_not_opened(tmp_path, monkeypatch):
    source = garden(tmp_path / "garden", 6)
    run(source, tmp_path / "s")
    monkeypatch.setattr("cladescope.embedding.record_hash.read_bytes", None)
    monkeypatch.setattr("cladescope.embedding.prepare.read_bytes", None)
    assert run(source, tmp_path / "s")[0].already_stored == 6


def test_a_folder_that_cannot_be_read_makes_nothing_look_gone(tmp_path, monkeypatch):
    from cladescope.embedding.sources.walk import Walk

    source = garden(tmp_path / "garden", 8)
    run(source, tmp_path / "s")
    listing = Walk._list_local

    def shut(walk, folder):
        if folder.endswith("kind2"):
            raise PermissionError(13, "Permission denied")
        return listing(walk, folder)

    monkeypatch.setattr(Walk, "_list_local", shut)
    summary, store = run(source, tmp_path / "s", prune=True)
    assert (summary.gone, summary.failed, store.count()) == (0, 1, 8)


class Killed(BaseException):
    """As a signal that ends a process."""


@pytest.mark.parametrize("after", [False, True])
def test_killed_between_any_two_writes_and_run_again_it_is_as_if_it_ran_through(tmp_path, monkeypatch, after):
    source = garden(tmp_path / "garden", 16)
    run(source, tmp_path / "s")
    shutil.copytree(source, tmp_path / "kept")
    for path in source.glob("*/*.png"):
        path.unlink()
    shutil.rmtree(source)
    shutil.copytree(tmp_path / "kept", source)
    change_in_small(source)
    step, ended = 0, False
    while not ended:
        path = tmp_path / f"s{step}"
        shutil.copytree(tmp_path / "s", path)
        left = [step]
        with monkeypatch.context() as patch:
            for name in ("write", "update", "note_origins", "forget_origins", "take_out", "record_run"):
                patch.setattr(Store, name, killing(getattr(Store, name), left, after=after))
            try:
                run(source, path, prune=True, commit_rows=4, batch_size=4)
                ended = True
            except Killed:
                pass
        summary, store = run(source, path, prune=True)
        if step == 0:
            _, fresh = run(source, tmp_path / "fresh.store")
        assert rows_of(store) == rows_of(fresh)
        assert failed(store) == failed(fresh)
        assert verify(path).problems == ()
        step += 1
    assert step > 6


def change_in_small(root):
    (root / "kind0" / "000.png").rename(root / "kind0" / "renamed.png")
    picture(root / "kind1" / "001.png", 1001)
    (root / "kind2" / "002.png").unlink()
    (root / "kind3" / "003.png").write_bytes(b"no picture")
    picture(root / "kind3" / "new.png", 1002)
    os.utime(root / "kind1" / "005.png", (1_600_000_000, 1_600_000_000))


def killing(method, left, *, after):
    """The method, that dies before or after so many calls."""

    def call(*arguments, **named):
        if not after and left[0] == 0:
            raise Killed
        found = method(*arguments, **named)
        if after and left[0] == 0:
            raise Killed
        left[0] -= 1
        return found

    return call


class Broken:
    """A source that breaks off after so many records, until it is mended."""

    name, extra_fields = "broken", ()

    def __init__(self, source, n):
        self.source, self.n = source, n

    def count(self):
        return None

    def records(self):
        for number, record in enumerate(self.source.records()):
            if number == self.n:
                raise OSError("the disk is away")
            yield record


def test_what_was_in_the_way_of_a_source_is_forgotten_when_a_run_gets_through(tmp_path):
    folder = garden(tmp_path / "garden", 8)
    (folder / "kind1" / "broken.png").symlink_to(folder / "nowhere.png")
    (folder / "kind1" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "other.png").write_bytes(b"no picture")
    store = Store.create(tmp_path / "s", Encoder.load("pixels").card)
    run(write_table(tmp_path / "t.csv", [(str(tmp_path / "other.png"), "Parus", "major")]), tmp_path / "s")
    source, config = open_source(folder), EmbedConfig(address=str(folder))
    source.extra_fields = ()
    embed(Broken(source, 6), Encoder.load("pixels"), store, config)
    noted = [
        ("broken", "list"),
        (str(folder / "kind1" / "bad.png"), "decode"),
        (str(folder / "kind1" / "broken.png"), "list"),
    ]
    other = (str(tmp_path / "other.png"), "decode")
    assert ("broken", "list") in failed(store)
    embed(Broken(source, 6), Encoder.load("pixels"), store, config)
    assert ("broken", "list") in failed(store), "a run that breaks off too forgets nothing"
    embed(Broken(source, -1), Encoder.load("pixels"), store, config)
    assert failed(store) == sorted([*noted[1:], other])
    (folder / "kind1" / "broken.png").unlink()
    (folder / "kind1" / "bad.png").unlink()
    embed(Broken(source, -1), Encoder.load("pixels"), store, EmbedConfig(address=str(folder), limit=2))
    assert failed(store) == sorted([*noted[1:], other]), "nor does a run over a part"
    embed(Broken(source, -1), Encoder.load("pixels"), store, config)
    assert failed(store) == [other], "files that are there no more fail no more; those of others stay"


@pytest.mark.parametrize("bad", [("a.png", "NA", "x"), ("", "Parus", "x"), ("a.png", "Parus", "x")])
def test_a_source_that_strict_refuses_adds_no_column_and_no_row(tmp_path, bad):
    garden(tmp_path, 1)
    shutil.copy(next(tmp_path.glob("*/*.png")), tmp_path / "a.png")
    picture(tmp_path / "b.png", 2)
    table = write_table(
        tmp_path / "t.csv", [("b.png", "Sitta", "y"), ("a.png", "Parus", "z"), bad], ("file", "genus", "mine")
    )
    store = Store.create(tmp_path / "s", Encoder.load("pixels").card)
    before = (store.schema, store.version)
    with pytest.raises(InputError, match="strict: "):
        run(table, tmp_path / "s", strict=True, commit_rows=1)
    store = Store.open(tmp_path / "s")
    assert (store.schema, store.version, store.count()) == (*before, 0)
    write_table(table, [("b.png", "Sitta", "y")], ("file", "genus", "mine"))
    assert run(table, tmp_path / "s", strict=True)[0].embedded == 1
    assert "mine" in Store.open(tmp_path / "s").schema.names


def test_words_for_missing_are_counted_in_names_of_folders_and_in_shards(tmp_path):
    name = "00001_Animalia_Chordata_Aves_NA_unknown_Parus_major"
    picture(tmp_path / "f" / name / "a.png", 1)
    picture(tmp_path / "f" / name / "b.png", 2)
    assert dict(run(tmp_path / "f", tmp_path / "s")[0].missing) == {"NA": 2, "unknown": 2}
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        archive.add(tmp_path / "f" / name / "a.png", "a.png")
        (tmp_path / "a.json").write_text('{"family": "N/A", "genus": "Parus"}')
        archive.add(tmp_path / "a.json", "a.json")
    assert dict(run(tmp_path / "t.tar", tmp_path / "t")[0].missing) == {"N/A": 1}
    with pytest.raises(InputError, match="'N/A' is read as missing"):
        run(tmp_path / "t.tar", tmp_path / "u", strict=True)
