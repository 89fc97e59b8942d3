"""Names of two backbones do not come into one store unasked."""

import pytest

from cladescope.errors import InputError
from cladescope.index import named_by

OLD, NEW = {"release": "2025", "hash": "aa"}, {"release": "2026", "hash": "bb"}


class Named:
    path = "birds.store"


@pytest.mark.parametrize(
    ("before", "asked", "said"),
    [(None, NEW, None), (OLD, OLD, None), (OLD, None, "and this job by none: its labels are as")],
)
def test_names_of_one_backbone_are_welcome_and_names_of_none_are_told(monkeypatch, before, asked, said):
    monkeypatch.setattr(named_by, "named_by", lambda store: before)
    told = named_by.check_backbone(Named(), asked)
    assert [said in sentence for sentence in told] == ([] if said is None else [True])


def test_names_of_another_backbone_are_refused_unless_asked_for(monkeypatch):
    monkeypatch.setattr(named_by, "named_by", lambda store: OLD)
    with pytest.raises(
        InputError, match=r"birds\.store is named by the backbone .*2025.*, found .*2026.*: take the same one"
    ):
        named_by.check_backbone(Named(), NEW)
    (said,) = named_by.check_backbone(Named(), NEW, change=True)
    assert "pictures of other sources keep theirs until they are embedded again" in said
