"""Which of some ranked rows are hits, at the edges: see also `test_picking`, which asks a store."""

import pytest

from cladescope.errors import InputError
from cladescope.index.picking import Picking
from cladescope.schema import LABEL
from cladescope.taxonomy import Taxon

TITS = [Taxon.from_ranks({"genus": "Parus", "species": name}) for name in ("Parus major", "Parus major", "Parus ater")]
UNNAMED = Taxon.from_ranks({"genus": "Parus"})


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"k": 1, "at_most": 0}, {"k": 1, "min_score": 1.01}, {"k": 1, "min_score": -1.01}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="ask for at least 1|expected a cosine"):
        Picking(**wrong)


def test_the_least_and_the_most_that_may_be_asked():
    assert Picking(k=1).of([0.5, 0.4], [None, None]) == [0]
    assert Picking(k=3, min_score=1.0).of([1.0, 0.9], [None, None]) == [0]
    assert Picking(k=3, min_score=-1.0).of([1.0, -1.0], [None, None]) == [0, 1]
    assert Picking(k=3, at_most=1).of([0.9, 0.8, 0.7], TITS) == [0, 2]
    assert Picking(k=3, at_most=2).of([0.9, 0.8, 0.7], TITS) == [0, 1, 2]
    assert Picking(k=9, at_most=1, per="genus").of([0.9, 0.8, 0.7], TITS) == [0]
    assert (Picking(k=1).takes_all, Picking(k=1, at_most=1).takes_all, Picking(k=1, min_score=0.0).takes_all) == (
        True,
        False,
        False,
    )


def test_rows_without_the_rank_count_together_where_what_is_known_is_the_same():
    taxa = [UNNAMED, UNNAMED, None, None, TITS[0]]
    assert Picking(k=9, at_most=1).of([0.9, 0.8, 0.7, 0.6, 0.5], taxa) == [0, 2, 4]
    assert Picking(k=9, at_most=1, per=LABEL).of([0.9, 0.8, 0.7, 0.6], ["Tit", "tit", None, "crow"]) == [0, 2, 3]


def test_a_list_is_settled_where_it_is_full_or_what_follows_scores_too_low():
    picking = Picking(k=2, min_score=0.5)
    assert [picking.is_settled(n, lowest) for n, lowest in ((2, 0.9), (1, 0.9), (1, 0.5), (1, 0.49))] == [
        True,
        False,
        False,
        True,
    ]
    assert not Picking(k=2).is_settled(1, -1.0)


def test_a_short_or_a_cut_list_says_why():
    assert "there may be more" in Picking(k=2, min_score=0.5).note(2, 9)
    assert Picking(k=2, min_score=0.5).note(1, 9) is None
    assert "1 of 2 hits: all 9 pictures" in Picking(k=2, at_most=1).note(1, 9)
    assert Picking(k=2, at_most=1).note(2, 9) is None
    assert Picking(k=2).note(1, 9) is None
