"""Vectors of several encoders in one store: made in one pass or later, and each read as if it were alone."""

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import cladescope
from cladescope.embedding import prepare
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError, StoreError
from cladescope.index.named_vectors import name_of
from cladescope.index.store import Store
from tests.conftest import REPOSITORY
from tests.index.toy import Toy


@pytest.fixture(scope="module")
def pixels():
    return Encoder.load("pixels")


@pytest.fixture
def folder(clades, tmp_path):
    """Twelve pictures, of which two are the same."""
    made = tmp_path / "photos"
    made.mkdir()
    for number, path in enumerate(sorted(clades.glob("images/*/*.jpg"))[:11]):
        shutil.copy(path, made / f"{number:02}.jpg")
    shutil.copy(made / "03.jpg", made / "copy.jpg")
    return made


@pytest.fixture
def both(folder, pixels, tmp_path):
    """A store of the folder's pictures by `pixels` and the toy."""
    cladescope.embed(folder, tmp_path / "both", encoder=[pixels, Toy()])
    return tmp_path / "both"


def vectors_of(path, name=None):
    """The vectors of a store by the names of the files."""
    store = Store.open(path, vectors=name)
    return dict(zip([uri[-8:] for uri in store.table(["uri"])["uri"].to_pylist()], store.matrix(), strict=True))


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for uri, vector in found.items():
        assert np.array_equal(vector, wanted[uri]), uri


def test_one_pass_gives_the_vectors_that_each_encoder_gives_alone(both, folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "one", encoder=pixels)
    cladescope.embed(folder, tmp_path / "other", encoder=Toy())
    assert_same(vectors_of(both), vectors_of(tmp_path / "one"))
    assert_same(vectors_of(both, "toy"), vectors_of(tmp_path / "other"))


def test_a_picture_is_decoded_once_and_content_encoded_once(folder, pixels, tmp_path, monkeypatch):
    decoded, decode = [], prepare.decode

    def counted(data, **options):
        decoded.append(len(data))
        return decode(data, **options)

    monkeypatch.setattr(prepare, "decode", counted)
    toy = Toy()
    summary = cladescope.embed(folder, tmp_path / "s", encoder=[pixels, toy])
    assert (len(decoded), summary.embedded, summary.reused, toy.seen) == (12, 12, 1, 11)


def test_content_that_is_known_is_not_encoded_again_in_a_later_run(both, folder, pixels):
    shutil.copy(folder / "05.jpg", folder / "later.jpg")
    toy = Toy()
    summary = cladescope.embed(folder, both, encoder=[pixels, toy])
    assert (summary.embedded, summary.reused, toy.seen) == (1, 1, 0)
    found = vectors_of(both, "toy")
    assert np.array_equal(found["ater.jpg"], found["s/05.jpg"])


def test_a_store_gets_further_vectors_later(both, folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "s", encoder=pixels)
    before, toy, seen = vectors_of(tmp_path / "s"), Toy(), []
    summary = cladescope.embed(folder, tmp_path / "s", encoder=[pixels, toy], batch_size=4, progress=seen.append)
    assert [state.done for state in seen] == sorted(state.done for state in seen)
    assert (seen[-1].done, seen[-1].total, seen[-1].embedded, seen[-1].filled) == (24, 24, 0, 12)
    assert (summary.embedded, summary.already_stored, summary.filled, toy.seen) == (0, 12, 12, 11)
    assert_same(vectors_of(tmp_path / "s"), before)
    assert_same(vectors_of(tmp_path / "s", "toy"), vectors_of(both, "toy"))
    again = cladescope.embed(folder, tmp_path / "s", encoder=[pixels, toy])
    assert (again.filled, toy.seen) == (0, 11)
    assert cladescope.verify(tmp_path / "s").is_sound


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_filling_that_is_cut_short_goes_on_where_it_stopped(how, both, folder, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.index.backfill.COMMIT_ROWS", 2)
    cladescope.embed(folder, tmp_path / "s", encoder=pixels)
    stop, first = threading.Event(), Toy(fails_at=4 if how == "failed" else None)

    def after_some(state):
        if how == "stopped" and first.seen >= 4:
            stop.set()

    options = {"batch_size": 2, "workers": 1, "stop": stop, "progress": after_some}
    if how == "failed":
        with pytest.raises(RuntimeError, match="the device is lost"):
            cladescope.embed(folder, tmp_path / "s", encoder=[pixels, first], **options)
    else:
        assert cladescope.embed(folder, tmp_path / "s", encoder=[pixels, first], **options).stopped
    n_there = Store.open(tmp_path / "s", vectors="toy").count()
    assert 4 <= n_there < 12
    second = Toy()
    rest = cladescope.embed(folder, tmp_path / "s", encoder=[pixels, second])
    assert rest.filled == 12 - n_there
    assert first.seen + second.seen == 11
    assert_same(vectors_of(tmp_path / "s", "toy"), vectors_of(both, "toy"))
    statuses = Store.open(tmp_path / "s").runs.column("status").to_pylist()
    assert statuses == ["done", how, "done"]


def test_filling_that_is_killed_goes_on_where_it_stopped(both, folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "s", encoder=pixels)
    script = (
        "import sys, cladescope, cladescope.index.backfill as fill; from tests.index.toy import Toy; fill.COMMIT_ROWS = 2;"
        "tell = lambda state: print(state.filled, flush=True) or (state.filled >= 4 and sys.stdin.read());"
        "cladescope.embed(*sys.argv[1:], encoder=['pixels', Toy()], batch_size=2, workers=1, progress=tell)"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "s")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        while int(process.stdout.readline()) < 4:
            pass
        process.kill()
    n_there = Store.open(tmp_path / "s", vectors="toy").count()
    assert 2 <= n_there < 12
    toy = Toy()
    assert cladescope.embed(folder, tmp_path / "s", encoder=[pixels, toy]).filled == 12 - n_there
    assert_same(vectors_of(tmp_path / "s", "toy"), vectors_of(both, "toy"))
    assert sorted(Store.open(tmp_path / "s").runs.column("status").to_pylist()) == ["done", "done", "killed"]
    assert cladescope.verify(tmp_path / "s").is_sound


def test_what_cannot_be_read_again_is_counted_and_stays_as_it_is(folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "s", encoder=pixels)
    cladescope.embed([Image.new("RGB", (32, 32), "teal")], tmp_path / "s", encoder=pixels)
    (folder / "00.jpg").unlink()
    Image.new("RGB", (64, 64), "red").save(folder / "01.jpg")
    (folder / "02.jpg").write_bytes(b"no picture")
    other = tmp_path / "others"
    other.mkdir()
    shutil.copy(folder / "05.jpg", other / "more.jpg")
    summary = cladescope.embed(other, tmp_path / "s", encoder=[pixels, Toy()])
    assert summary.filled == 9
    assert sorted(summary.unfilled.values()) == [1, 1, 1, 1]
    assert "pictures that were given in memory, and are not kept" in summary.unfilled
    assert "the picture has changed since it was stored" in summary.unfilled
    assert any("4 pictures have no vector of toy" in note for note in summary.notes)
    assert (Store.open(tmp_path / "s").count(), Store.open(tmp_path / "s", vectors="toy").count()) == (14, 10)


def test_a_changed_picture_gets_all_its_vectors_anew(both, folder, pixels, tmp_path):
    Image.new("RGB", (64, 64), "red").save(folder / "01.jpg")
    summary = cladescope.embed(folder, both, encoder=[pixels, Toy()])
    assert (summary.changed, summary.filled) == (1, 0)
    cladescope.embed(folder, tmp_path / "fresh", encoder=[pixels, Toy()])
    for name in (None, "toy"):
        assert_same(vectors_of(both, name), vectors_of(tmp_path / "fresh", name))


@pytest.mark.parametrize("how", ["changed", "moved"])
def test_with_one_encoder_alone_pictures_that_changed_or_moved_wait_for_their_further_vectors(
    how, both, folder, pixels, tmp_path
):
    if how == "changed":
        shutil.copy(folder / "01.jpg", folder / "00.jpg")
    else:
        (folder / "00.jpg").rename(folder / "98.jpg")
    summary = cladescope.embed(folder, both, encoder=pixels)
    assert (summary.changed, summary.moved) == ((1, 0) if how == "changed" else (0, 1))
    assert any(note.startswith("1 pictures have no vector of toy") for note in summary.notes)
    assert cladescope.embed(folder, both, encoder=[pixels, Toy()]).filled == 1
    cladescope.embed(folder, tmp_path / "fresh", encoder=[pixels, Toy()])
    for name in (None, "toy"):
        assert_same(vectors_of(both, name), vectors_of(tmp_path / "fresh", name))


def test_a_picture_that_moved_keeps_all_its_vectors(both, folder, pixels):
    before = vectors_of(both, "toy")["s/07.jpg"]
    (folder / "07.jpg").rename(folder / "moved.jpg")
    toy = Toy()
    summary = cladescope.embed(folder, both, encoder=[pixels, toy])
    assert (summary.moved, toy.seen) == (1, 0)
    assert np.array_equal(vectors_of(both, "toy")["oved.jpg"], before)


def test_one_encoder_alone_leaves_the_others_out_and_says_so(both, folder, pixels, clades):
    shutil.copy(sorted(clades.glob("images/*/*.jpg"))[20], folder / "new.jpg")
    summary = cladescope.embed(folder, both, encoder=pixels)
    assert any("1 pictures have no vector of toy" in note for note in summary.notes)
    assert (Store.open(both).count(), Store.open(both, vectors="toy").count()) == (13, 12)
    assert cladescope.embed(folder, both, encoder=[pixels, Toy()]).filled == 1


def test_the_store_s_own_encoder_must_be_among_several(both, folder, pixels):
    with pytest.raises(StoreError, match="has the encoder pixels, which is not among those given: give it, too"):
        cladescope.embed(folder, both, encoder=[Toy(), Toy("third")])
    with pytest.raises(InputError, match="'toy' is given twice: name each once"):
        cladescope.embed(folder, both, encoder=[pixels, Toy(), Toy()])
    with pytest.raises(StoreError, match="holds vectors of another encoder"):
        cladescope.embed(folder, both, encoder=Toy("third"))


def test_a_store_read_for_other_vectors_shows_their_rows_and_no_others(both, folder, pixels, clades):
    shutil.copy(sorted(clades.glob("images/*/*.jpg"))[20], folder / "new.jpg")
    cladescope.embed(folder, both, encoder=pixels)
    toy = Store.open(both, vectors="toy")
    assert (toy.card.name, toy.card.dim, toy.count()) == ("toy", 48, 12)
    assert sorted(toy.schema.names) == sorted(Store.open(both).schema.names)
    assert toy.count_rows("width > 0") == 12
    found = toy.search(vector=np.ones(48), k=20)
    assert len(found.hits) == 12
    assert found.notes == (f"1 pictures of {both} have no vector of toy and are left out",)
    assert Store.open(both).search(vector=np.ones(960)).notes == ()
    ids, vectors = next(toy.vectors())
    assert np.array_equal(np.array(toy.rows(ids.tolist(), ["vector"])[3]["vector"]), vectors[3])


def test_a_store_read_for_other_vectors_is_not_written(both):
    with pytest.raises(StoreError, match="open for its vectors toy, to read only"):
        Store.open(both, vectors="toy").delete(where="width > 0")


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_each_has_an_index_of_its_own_that_answers_as_exact_search(kind, both):
    for name in (None, "toy"):
        cladescope.build_index(both, kind=kind, vectors=name)
    assert sorted(path.name for path in (both / "indexes").iterdir()) == ["ann", "ann-toy"]
    for name, dim in ((None, 960), ("toy", 48)):
        query = vectors_of(both, name)["s/03.jpg"]
        found = cladescope.search(both, vector=query, vectors=name, k=12)
        exact = cladescope.search(both, vector=query, vectors=name, k=12, exact=True)
        assert len(query) == dim
        assert {hit.image_id for hit in found.hits} == {hit.image_id for hit in exact.hits}
        assert found.hits[0].score == pytest.approx(1.0, abs=1e-3)
    assert cladescope.verify(both).is_sound
    assert cladescope.info(both)["vectors"]["toy"]["index"]["kind"] == kind
    cladescope.build_index(both, kind="none", vectors="toy")
    assert [path.name for path in (both / "indexes").iterdir()] == ["ann"]


def test_vectors_that_come_to_rows_that_are_there_are_found(folder, pixels, tmp_path, clades):
    path = tmp_path / "s"
    cladescope.embed(folder, path, encoder=[pixels, Toy()])
    for number in range(8):
        shutil.copy(sorted(clades.glob("images/*/*.jpg"))[20 + number], folder / f"new{number}.jpg")
    cladescope.embed(folder, path, encoder=pixels)
    cladescope.build_index(path, kind="flat", vectors="toy")
    warm = Store.open(path, vectors="toy")
    assert len(warm.search(vector=np.ones(48), k=50).hits) == 12
    cladescope.embed(folder, path, encoder=[pixels, Toy()])
    warm.refresh()
    for store in (warm, Store.open(path, vectors="toy")):
        found = store.search(vector=np.ones(48), k=50).hits
        assert len({hit.image_id for hit in found}) == len(found) == 20
    card = cladescope.build_index(path, refresh=True, vectors="toy")
    assert (card.n_vectors, card.refreshed[-1]["n_added"]) == (20, 8)
    assert cladescope.verify(path).is_sound


def test_compaction_keeps_all_vectors(both):
    before = vectors_of(both, "toy")
    Store.open(both).compact()
    assert_same(vectors_of(both, "toy"), before)


def test_a_column_that_a_killed_job_made_is_made_anew(both, folder, pixels):
    store = Store.open(both)
    store.tables["images"].add_columns([pa.field("_vector_third", pa.list_(pa.float16(), 7))])
    assert cladescope.embed(folder, both, encoder=[pixels, Toy(), Toy("third")]).filled == 12
    assert_same(vectors_of(both, "third"), vectors_of(both, "toy"))


def test_a_store_of_one_encoder_is_of_the_format_that_it_was(folder, pixels, tmp_path):
    cladescope.embed(folder, tmp_path / "s", encoder=pixels)
    about = json.loads((tmp_path / "s" / "store.json").read_text())
    assert about["format_version"] == 1
    assert "vectors" not in about


def test_a_store_of_several_says_whose_its_vectors_are(both):
    about = json.loads((both / "store.json").read_text())
    assert (about["format_version"], list(about["vectors"])) == (2, ["toy"])
    told = cladescope.info(both)
    assert told["vectors"]["toy"]["images"] == 12
    assert told["vectors"]["toy"]["encoder"]["dim"] == 48
    assert "_vector_toy" not in told["columns"]


def test_vectors_are_known_by_their_name_or_their_encoder_s(both):
    assert Store.open(both, vectors="pixels").vectors_name is None
    assert Store.open(both, vectors="toy").vectors_name == "toy"
    with pytest.raises(InputError, match="has no vectors 'nobody': it has those of pixels, toy"):
        Store.open(both, vectors="nobody")


def test_two_encoders_of_one_name_have_vectors_of_two_names(pixels):
    assert name_of(pixels.card, ["pixels", "pixels_2"]) == "pixels_3"


def test_probes_compare_vectors_of_one_store_by_name(clades, pixels, tmp_path):
    cladescope.embed(clades / "metadata.csv", tmp_path / "s", encoder=[pixels, Toy()])
    probed = cladescope.probe(tmp_path / "s", compare=["toy"], permutations=5)
    assert [report.store for report in probed.reports] == [str(tmp_path / "s"), f"{tmp_path / 's'} (toy)"]
    assert probed.totals == (48, 48)
    alone = cladescope.probe(tmp_path / "s", vectors="toy", permutations=5)
    assert [one.value for one in alone.reports[0].results] == [one.value for one in probed.reports[1].results]
