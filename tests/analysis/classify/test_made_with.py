"""The pictures that a classifier was made with travel with it, and say nothing of how often it is wrong."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.classify.calibrating_store import calibrated_on
from cladescope.analysis.classify.choosing import fitted_choice
from cladescope.analysis.classify.classifier_file import load_classifier, save_classifier
from cladescope.analysis.classify.fit import fit_store
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon


def test_equal_contents_have_equal_numbers_whatever_their_names():
    table = pa.table({"image_id": ["a", "b", "c", "c"], "content_hash": ["0f" * 16, "0f" * 16, None, "no hash"]})
    found = picture_numbers(table)
    assert found[0] == found[1] == int("0f" * 8, 16)
    assert len(set(found.tolist())) == 3
    np.testing.assert_array_equal(picture_numbers(table.select(["image_id"]))[2], found[2])


def test_its_own_pictures_do_not_calibrate_a_classifier(store, tmp_path):
    fitted = fit_store(store, rank="species").classifier
    assert len(fitted.made_with) == store.count()
    save_classifier(fitted, tmp_path / "c.safetensors")
    again = load_classifier(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(again.made_with, fitted.made_with)
    with pytest.raises(InputError, match="was made with all 48 labelled pictures of .*: give a store of others"):
        calibrated_on(fitted_choice(again, store), store, fitted=True)


def test_those_of_its_pictures_among_others_are_left_out_and_counted(store):
    two = [str(taxon) for taxon in store.taxonomy.taxa("genus")[:3]]
    fitted = fit_store(store, rank="species", within=two).classifier
    n_own = len(fitted.made_with)
    back_off, (note, promised) = calibrated_on(fitted_choice(fitted, store), store, fitted=True)
    assert len(back_off.seen) == 0
    assert len(back_off.unseen) == store.count() - n_own > 0
    assert note.startswith(f"{n_own} pictures of ")
    assert note.endswith("that the classifier was made with, and cannot be calibrated by: left out")
    assert "all of taxa that are none of the 6 classes" in promised


@pytest.fixture
def choice(store):
    """The classes of a classifier that was made with other pictures."""
    return replace(fitted_choice(fit_store(store, rank="species").classifier, store), made_with=np.empty(0, np.uint64))


def test_pictures_of_some_classes_promise_nothing_of_the_others(store, choice):
    taxa = store.taxonomy.taxa("species")
    like = "decide how sure is enough: the risk is that of pictures like these"
    back_off, (note,) = calibrated_on(
        choice, Changed(store, lambda taxon: taxon if taxon == taxa[0] else None), fitted=True
    )
    assert len(back_off.seen) == 4
    assert (
        note
        == f"4 pictures of {store.path}, all of {taxa[0].name}, {like}, and of the other 11 classes no risk is promised"
    )
    _, (note,) = calibrated_on(choice, Changed(store, lambda taxon: taxon if taxon in taxa[:2] else None), fitted=True)
    assert (
        note
        == f"8 pictures of {store.path}, 8 of them of 2 of the 12 classes, {like}, and of the other 10 classes no risk is promised"
    )
    _, (note,) = calibrated_on(choice, store, fitted=True)
    assert note == f"48 pictures of {store.path}, 48 of them of all 12 classes, {like}"


def test_strangers_alone_promise_nothing_of_the_classes_and_names_with_other_ranks_above_are_told(store, choice):
    back_off, (note,) = calibrated_on(
        choice, Changed(store, lambda taxon: Taxon((None,) * 6 + (taxon.name,))), fitted=True
    )
    assert (len(back_off.seen), len(back_off.unseen)) == (0, 48)
    assert note == (
        f"48 pictures of {store.path}, all of taxa that are none of the 12 classes, decide how sure is enough: of pictures of the classes no risk "
        "is promised; 48 of these have the name of a class and other ranks above it, or none: fill in or correct the ranks above"
    )


def test_pictures_named_above_the_classes_cannot_say_whether_a_name_is_wrong(store, choice):
    """Of a picture known to its genus every species of that would pass for right."""
    first = store.taxonomy.taxa("species")[0]
    above, note = calibrated_on(
        choice, Changed(store, lambda taxon: taxon if taxon == first else taxon.parent), fitted=True
    )[1]
    assert above == (
        f"44 pictures of {store.path} named only above the classes, so that a wrong name below would pass for right: left out"
    )
    assert note.startswith(f"4 pictures of {store.path}, all of {first.name}, decide")
    with pytest.raises(
        InputError, match=r"no picture of .* says whether a name is wrong \(48 are named only above the classes\)"
    ):
        calibrated_on(choice, Changed(store, lambda taxon: taxon.lineage[0]), fitted=True)


def test_copies_decide_once(store, choice):
    back_off, (copies, _) = calibrated_on(choice, Changed(store, same_content=True), fitted=True)
    assert copies == f"47 pictures of {store.path} with the content of another, which say nothing more: left out"
    assert len(back_off.seen) == 1


class Changed:
    """A store whose pictures are read with other taxa, or contents."""

    def __init__(self, store, taxon=lambda taxon: taxon, *, same_content=False):
        self.store, self.taxon, self.same_content, self.path, self.schema = (
            store,
            taxon,
            same_content,
            store.path,
            store.schema,
        )

    def scan(self, columns, block_rows):
        for batch in self.store.scan(columns, block_rows=block_rows):
            taxa = [self.taxon(Taxon.from_ranks(row)) for row in batch.select(list(RANKS)).to_pylist()]
            for place, rank in enumerate(RANKS):
                names = [None if taxon is None or len(taxon.path) <= place else taxon.path[place] for taxon in taxa]
                batch = batch.set_column(batch.schema.names.index(rank), rank, pa.array(names, pa.string()))
            if self.same_content:
                hashes = pa.array(["ab" * 16] * len(batch), pa.string())
                batch = batch.set_column(batch.schema.names.index("content_hash"), "content_hash", hashes)
            yield batch


def test_a_classifier_of_an_earlier_version_is_not_calibrated_by_what_may_be_its_own_pictures(store):
    choice = replace(fitted_choice(fit_store(store, rank="species").classifier, store), made_with=None)
    with pytest.raises(InputError, match="of an earlier version, which did not keep what pictures .*: fit it anew"):
        calibrated_on(choice, store, fitted=True)
    back_off, _ = calibrated_on(choice, store, fitted=False)
    assert len(back_off.seen) == store.count()


def test_with_few_shots_those_that_were_not_drawn_say_how_sure_answers_are(store):
    fitted = fit_store(store, rank="species", shots=2)
    assert "24 pictures are drawn to learn from; the other 24 say how sure answers are" in fitted.notes
    made = fitted.calibrated
    assert made.counts.tolist() == [2] * 12
    assert (len(made.right), made.in_turn) == (24, 0)
    alone = fit_store(store, rank="species", shots=2, calibration=0.0).calibrated
    assert (len(alone.right), alone.counts.tolist()) == (0, [2] * 12)
