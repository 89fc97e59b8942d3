"""What is said where an encoder was trained on what it is tested on, and where that is not known."""

import json

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.benchmark.tasks import TASK_SCHEMA, Task, TaskClass
from cladescope.analysis.benchmark.trained_on import trained_note
from cladescope.embedding.trained_on import TRAINED_FILE, TrainedOn, trained_on
from cladescope.taxonomy import Taxon

TIT = ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major", "great tit")
FILES = frozenset({"a" * 32, "b" * 32})


def task(*labels, taxa=()):
    classes = [*(TaskClass(label=label) for label in labels), *(TaskClass(label=one.name, taxon=one) for one in taxa)]
    rows = [
        {"image_id": str(n), "uri": f"/{n}.jpg", "class_number": n, "part": None, "problem": None}
        for n in range(len(classes))
    ]
    table = pa.Table.from_pylist(rows, schema=TASK_SCHEMA)
    return Task(name="t", address="/t", table=table, classes=tuple(classes), kin=np.arange(len(rows)))


def said(trained, *labels, taxa=(), files=FILES):
    return trained_note("e", trained, task(*labels, taxa=taxa), files)


def test_classes_that_were_trained_on_are_counted_by_name_rank_common_name_and_label():
    trained = TrainedOn(taxa=(TIT,), labels=("Old barn",))
    note = said(trained, "Parus_major", "great tit", "Old barn", "Corvus corax", taxa=(Taxon(TIT[:5]),))
    assert note == (
        "t: e was trained on 4 of the 5 classes (Parus major, great tit, Old barn, ...), and may have seen these very pictures: "
        "it will score lower on what is new to it"
    )


def test_pictures_that_were_trained_on_are_told_by_their_hashes():
    every = TrainedOn(pictures=frozenset({"a" * 32}), has_all_pictures=True)
    assert said(every, "Corvus corax", "Corvus corone") == (
        "t: e was trained on 1 of these 2 pictures: it will score lower on what is new to it"
    )
    some = TrainedOn(taxa=(TIT,), pictures=frozenset({"a" * 32}))
    assert "on 1 of the 2 classes (Parus major), and 1 of these 2 pictures, and may have seen more of them" in said(
        some, "Parus major", "Corvus corone"
    )
    none = TrainedOn(taxa=(TIT,), has_all_pictures=True)
    assert "(Parus major), and none of these very files:" in said(none, "Parus major", "Corvus corone")


def test_what_has_seen_nothing_of_it_is_not_warned_of():
    assert said(TrainedOn(taxa=(TIT,), has_all_pictures=True), "Corvus corax", "Corvus corone") is None
    assert said(TrainedOn(has_all_pictures=True), "early", "late") is None


def test_what_is_not_known_is_said():
    assert "e does not say what it was trained on" in said(None, "Corvus corax", "Corvus corone")
    assert "the encoder of these vectors does not say" in trained_note("unknown", None, task("a", "b"), FILES)
    assert "whether e has seen these classes is not known" in said(TrainedOn(taxa=(TIT,)), "early", "late")
    started = TrainedOn(taxa=(TIT,), has_all_pictures=True, unknown=("hf-hub:org/model",))
    assert said(started, "Corvus corax", "Corvus corone") == (
        "t: what hf-hub:org/model had seen, from which it started or learnt, is not known"
    )
    assert said(started, "Parus major", "Corvus corone").endswith(
        "; what hf-hub:org/model had seen, from which it started or learnt, is not known"
    )


def test_what_an_encoder_says_is_read_from_its_folder(tmp_path):
    whole = TrainedOn(taxa=(TIT,), labels=("x",), pictures=FILES, has_all_pictures=True, unknown=("w",))
    (tmp_path / TRAINED_FILE).write_text(json.dumps(whole.to_dict()))
    assert trained_on(str(tmp_path)) == trained_on(f"local-dir:{tmp_path}") == whole
    assert trained_on("pixels") == TrainedOn(has_all_pictures=True)
    assert trained_on("timm:mobilenetv2_100@/nowhere/w.safetensors") is None


@pytest.mark.parametrize("text", ["", "[]", '{"taxa": 3}', '{"taxa": [], "labels": [], "pictures": null}'])
def test_a_damaged_file_says_nothing(tmp_path, text):
    (tmp_path / TRAINED_FILE).write_text(text)
    assert trained_on(str(tmp_path)) is None


def test_of_two_trainings_all_is_known_only_where_both_say_all():
    one, other = TrainedOn(pictures=FILES, has_all_pictures=True), TrainedOn(taxa=(TIT,), unknown=("w",))
    both = one.joined(other)
    assert (both.taxa, both.pictures, both.has_all_pictures, both.unknown) == ((TIT,), FILES, False, ("w",))
