"""`fit_store`: what `cladescope fit` does, as a function."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.classify import fit
from cladescope.analysis.classify.calibration_kinds import share_of
from cladescope.analysis.classify.fit import fit_store
from cladescope.errors import InputError


def test_a_store_becomes_a_classifier_that_says_how_good_it_is(store):
    fitted = fit_store(store, rank="genus", shots=3, seed=1)
    assert fitted.classifier.target == "genus"
    assert fitted.held_out == len(fitted.calibrated.right) > 0
    low, high = fitted.accuracy_interval
    assert low <= fitted.accuracy <= high
    assert fitted.summary["accuracy_interval"] == [low, high]
    assert fitted.summary["pictures"] == fitted.calibrated.counts.sum()
    vectors = next(store.vectors())[1]
    assert fitted.classifier.probabilities(vectors).sum(axis=1) == pytest.approx(1.0, abs=1e-4)


def test_a_classifier_of_which_no_picture_is_asked_has_no_accuracy(store):
    told = fit_store(store, rank="genus", calibration=0.0).summary
    assert (told["accuracy"], told["accuracy_interval"], told["held_out"]) == (None, None, 0)


def test_too_few_pictures_to_tell_strangers_are_said_with_how_many_would_do(store):
    ids = [id_ for batch in store.scan(["image_id"]) for id_ in batch.column("image_id").to_pylist()]
    fitted = fit_store(store, labels={id_: f"label {place}" for place, id_ in enumerate(ids[:6])})
    assert any(
        note.startswith("0 pictures are too few") and "33 pictures, at least two of a class" in note
        for note in fitted.notes
    )


def test_labels_may_be_a_mapping_and_clades_several(store):
    ids = [id_ for batch in store.scan(["image_id"]) for id_ in batch.column("image_id").to_pylist()]
    fitted = fit_store(store, labels={id_: "ab"[row % 2] for row, id_ in enumerate([*ids[:20], "gone"])})
    assert (fitted.classifier.labels, fitted.missing, fitted.without_label) == (("a", "b"), ("gone",), len(ids) - 20)
    assert any("not in the store: gone" in note for note in fitted.notes)
    two = [taxon.name for taxon in store.taxonomy.taxa("species")[:2]]
    assert fit_store(store, within=two, calibration=0.0).classifier.labels == tuple(two)


@pytest.mark.parametrize("value", ["much", -1.0, np.nan])
def test_a_weight_that_is_no_number_is_named(store, value):
    with pytest.raises(InputError, match="shrinkage is .* expected a number from 0 on"):
        fit_store(store, shrinkage=value)


def test_copies_of_a_picture_do_not_tell_of_each_other(store, monkeypatch):
    """A copy of what a class was learnt from is named rightly and surely, whatever the class."""
    plain = fit_store(store, rank="genus")
    assert len(np.unique(plain.calibrated.kin)) == plain.held_out
    read = fit._pictures

    def with_copies(*given):
        pictures = read(*given)
        hashes = pictures.table["content_hash"].to_pylist()
        place = pictures.table.schema.get_field_index("content_hash")
        copies = pa.array([hashes[0]] * 6 + hashes[6:], pictures.table.schema.field(place).type)
        return replace(pictures, table=pictures.table.set_column(place, "content_hash", copies))

    monkeypatch.setattr(fit, "_pictures", with_copies)
    copied = fit_store(store, rank="genus")
    assert max(np.unique(copied.calibrated.kin, return_counts=True)[1]) == 6
    assert any(note.startswith("6 pictures are copies or boxes of one photograph") for note in copied.notes)


def test_labels_that_contradict_each_other_are_said(store, monkeypatch):
    """One picture of a genus in another family: a slip that makes two classes of one."""
    assert not any("several lineages" in note for note in fit_store(store, rank="genus").notes)
    read = fit._pictures

    def with_a_slip(*given):
        pictures = read(*given)
        families = pictures.table["family"].to_pylist()
        place = pictures.table.schema.get_field_index("family")
        other = next(name for name in families if name != families[0])
        slip = pa.array([other, *families[1:]], pictures.table.schema.field(place).type)
        return replace(pictures, table=pictures.table.set_column(place, "family", slip))

    monkeypatch.setattr(fit, "_pictures", with_a_slip)
    fitted = fit_store(store, rank="genus")
    (note,) = [note for note in fitted.notes if "several lineages" in note]
    assert note.startswith("1 name stands under several lineages, each a taxon of its own: the genus ")


def test_the_only_pictures_of_their_classes_are_counted(store):
    ids = [id_ for batch in store.scan(["image_id"]) for id_ in batch.column("image_id").to_pylist()]
    labels = {id_: "abcd"[min(row, 3)] if row < 4 else "ef"[row % 2] for row, id_ in enumerate(ids[:40])}

    def told(calibration):
        notes = fit_store(store, labels=labels, calibration=calibration).notes
        return [one for one in notes if "the only ones of" in one or "hold one out" in one]

    (note,) = told("cross")
    assert note.startswith("4 pictures are the only ones of their classes: asked about the others without it")
    assert note.endswith("are called not known more often than asked")
    (note,) = told("split")
    assert note.startswith("4 of 6 classes, with 4 pictures, have too few to hold one out: the others decide")
    assert told(0.0) == []
    labels = {id_: str(row) for row, id_ in enumerate(ids[:6])}
    (note,) = told("cross")
    assert note.endswith("unless the name stops above the class"), "nothing will be called not known"
    with pytest.raises(InputError, match="found 'crosss', expected cross, split, or a share"):
        share_of("crosss")


def test_pictures_that_cannot_be_asked_are_counted(store):
    ids = [id_ for batch in store.scan(["image_id"]) for id_ in batch.column("image_id").to_pylist()]
    fitted = fit_store(store, labels={**dict.fromkeys(ids[:30], "many"), ids[30]: "one"})
    n = 31 - fitted.held_out
    assert n > 1
    assert (
        f"{n} pictures could not be asked: without the part that they are in, one class alone would be left"
        in fitted.notes
    )
