"""The pictures that a classifier was made with travel with it, and say nothing of how often it is wrong."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.classify.choosing import calibrated_on, fitted_choice
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
    assert (
        f"of 0 of the {fitted.tree.n_classes} classes, decide how sure is enough, {len(back_off.unseen)} of them of taxa"
        in promised
    )


def test_pictures_of_one_class_promise_nothing_of_the_others(store):
    all_taxa = store.taxonomy.taxa("species")
    choice = replace(
        fitted_choice(fit_store(store, rank="species").classifier, store), made_with=np.empty(0, np.uint64)
    )
    one = Only(store, {all_taxa[0]})
    back_off, (note,) = calibrated_on(choice, one, fitted=True)
    assert len(back_off.seen) == 4
    assert note.startswith(f"the 4 pictures of {store.path} are all of one class, {all_taxa[0].name}, of 12: ")
    assert "of the others no risk is promised; calibrate on pictures of the others too" in note
    _, (note,) = calibrated_on(choice, Only(store, set(all_taxa[:2])), fitted=True)
    assert (
        note
        == f"8 pictures of {store.path}, of 2 of the 12 classes, decide how sure is enough; the risk is that of pictures like these"
    )


class Only:
    """A store of which some taxa alone are read."""

    def __init__(self, store, taxa):
        self.store, self.taxa, self.path, self.schema = store, taxa, store.path, store.schema

    def scan(self, columns, block_rows):
        for batch in self.store.scan(columns, block_rows=block_rows):
            kept = [Taxon.from_ranks(row) in self.taxa for row in batch.select(list(RANKS)).to_pylist()]
            yield batch.filter(pa.array(kept))


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
