"""What classes are called in zero-shot."""

import pytest

from cladescope.analysis.benchmark.class_texts import class_text, clean, different_texts
from cladescope.analysis.benchmark.tasks import TaskClass
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import Taxon

LION = Taxon(("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera leo"))


@pytest.mark.parametrize(
    "kind, text",
    [
        ("asis", "P_leo"),
        ("clean", "P leo"),
        ("sci", "Panthera leo"),
        ("com", "Lion"),
        ("taxon", "Animalia Chordata Mammalia Carnivora Felidae Panthera leo"),
        ("sci_com", "Panthera leo with common name Lion"),
        ("taxon_com", "Animalia Chordata Mammalia Carnivora Felidae Panthera leo with common name Lion"),
    ],
)
def test_texts_are_those_of_the_protocol(kind, text):
    assert class_text(TaskClass(label="P_leo", taxon=LION, common_name="Lion"), kind) == text


@pytest.mark.parametrize("kind, without", [("com", "sci"), ("sci_com", "sci"), ("taxon_com", "taxon")])
def test_without_a_common_name_the_tail_is_left_out(kind, without):
    lion = TaskClass(label="x", taxon=LION)
    assert class_text(lion, kind) == class_text(lion, without)


def test_a_text_that_the_task_cannot_give_is_refused():
    with pytest.raises(
        InputError, match="no ranks for the class 'x', so that it has no 'sci' text: use the text kind asis"
    ):
        class_text(TaskClass(label="x"), "sci")
    with pytest.raises(InputError, match="found the text kind 'latin', expected one of asis, sci"):
        class_text(TaskClass(label="x"), "latin")


@pytest.mark.parametrize(
    "label, name",
    [
        ("Amanita phalloides (Vaill. ex Fr.) Link", "Amanita phalloides"),
        ("Clitocybe nebularis (Batsch) Quél.", "Clitocybe nebularis"),
        ("Clitocybe fragrans Sowerby", "Clitocybe fragrans"),
        ("Amanita excelsa Gonn. & Rabenh.", "Amanita excelsa"),
        ("Mycena galopus (Pers.) P.Kumm., 1871", "Mycena galopus"),
        ("Aphis citricola Vander Goot", "Aphis citricola"),
        ("Parus major (Linnaeus, 1758)", "Parus major"),
        ("Tomato___Late_blight", "Tomato Late blight"),
        ("Corn___Cercospora_leaf_spot Gray_leaf_spot", "Corn Cercospora leaf spot Gray leaf spot"),
        ("Orange___Haunglongbing_(Citrus_greening)", "Orange Haunglongbing (Citrus greening)"),
        ("Bell_pepper leaf spot", "Bell pepper leaf spot"),
        ("Apple Scab Leaf", "Apple Scab Leaf"),
        ("Mango flat beak leafhopper", "Mango flat beak leafhopper"),
        ("ABBOTTS BABBLER", "ABBOTTS BABBLER"),
        ("Les Bibions et autres (Bibio et autres)", "Les Bibions et autres (Bibio et autres)"),
    ],
)
def test_labels_are_cleaned_of_underscores_and_authors_only(label, name):
    assert clean(label) == name
    assert clean(clean(label)) == clean(label)


def test_classes_of_the_same_text_are_one_answer():
    texts, number = different_texts(["lion", "puma", "lion"])
    assert (texts, number.tolist()) == (["lion", "puma"], [0, 1, 0])
