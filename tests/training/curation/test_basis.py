"""What sources say that is shown: Darwin Core's bases of record in any spelling, and TreeOfLife's types of pictures."""

import pytest

from cladescope.training.curation.basis import dropped_as, read_basis
from cladescope.training.curation.ends import PathEnds, parts_of
from cladescope.training.curation.sections import KINDS

SAID: dict[str | None, list[str | None]] = {
    "live": ["HUMAN_OBSERVATION", "HumanObservation", "human observation", "LIVING_SPECIMEN", "LivingSpecimen", "Citizen Science"],
    "specimen": ["PRESERVED_SPECIMEN", "PreservedSpecimen", "Museum Specimen: Plant", "Museum Specimen: Invertebrate Zoology"],
    "fossil": ["FOSSIL_SPECIMEN", "FossilSpecimen"],
    "camera trap": ["MACHINE_OBSERVATION", "MachineObservation", "Camera-trap", "camera trap"],
    "drawing": ["Scientific image/ Drawing", "Illustration"],
    "microscope": ["Microscopy", "microscope"],
    None: ["MATERIAL_SAMPLE", "MaterialSample", "OCCURRENCE", "Occurrence", "UNKNOWN", "Unidentified", "", None],
}  # fmt: skip


@pytest.mark.parametrize("kind, text", [(kind, text) for kind, texts in SAID.items() for text in texts])
def test_words_that_are_known(kind, text):
    assert read_basis(text) == (kind, True)


@pytest.mark.parametrize("text", ["Seen by Ann", "drawing of a fossil", "Fossil: drawing", "PRESERVED", "living room"])
def test_words_that_are_not_known_or_say_two_kinds_are_not_guessed(text):
    assert read_basis(text) == (None, False)


def test_every_kind_is_said_and_its_reason_is_one():
    assert set(SAID) - {None} == set(KINDS)
    assert len({dropped_as(kind) for kind in KINDS}) == len(KINDS)


def test_ends_are_met_by_whole_parts_and_the_longest_counts():
    ends = PathEnds(["a/b/1.jpg", "1.jpg", "b/1.jpg", "./c/2.jpg", "1.jpg", ""])
    asked = [
        "/x/a/b/1.jpg",
        "/x/b/1.jpg",
        "/x/1.jpg",
        "s.tar#c/2.jpg",
        "https://a.org/c/2.jpg?x=1",
        "c\\\\2.jpg",
        "xc/2.jpg",
    ]
    assert [ends.find(one) for one in asked] == [0, 2, 1, 3, 3, 3, None]
    assert parts_of("/p/what?.jpg") == ("p", "what?.jpg"), "only a URL has a question"
