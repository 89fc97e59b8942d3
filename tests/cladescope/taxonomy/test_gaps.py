"""Paths with gaps, and what fuller records of the same taxon fill into them."""

from hypothesis import given
from hypothesis import strategies as st

from cladescope.taxonomy import Taxon
from cladescope.taxonomy.gaps import agree, fill_gaps

NAMES = st.sampled_from([None, "A", "B", "C"])
TAXA = st.lists(NAMES, min_size=1, max_size=7).map(Taxon.from_ranks).filter(lambda taxon: taxon is not None)


def taxon(text):
    """A taxon from names with blanks between; "-" stands for a rank that is not recorded."""
    return Taxon(tuple(None if name == "-" else name for name in text.split()))


def filled(*texts):
    return [str(one) for one in fill_gaps(map(taxon, texts)).values()]


def test_a_gap_is_filled_from_a_fuller_record_of_the_taxon_or_of_one_above_it():
    assert filled("k p X", "k - X") == ["k > p > X", "k > p > X"]
    assert filled("k p X", "k - X - Y") == ["k > p > X", "k > p > X > Y"]
    assert filled("k p X - Y", "- - X c") == ["k > p > X > Y", "k > p > X > c"]


def test_two_records_with_different_gaps_fill_each_other():
    assert filled("k - X", "- p X") == ["k > p > X", "k > p > X"]


def test_one_name_in_two_kingdoms_is_two_taxa_and_a_record_that_may_be_either_stays_as_it_is():
    assert filled("animals p - - X", "plants q - - X", "- - - - X") == ["animals > p > X", "plants > q > X", "X"]


def test_ranks_on_which_all_readings_agree_are_filled_and_the_others_are_not():
    assert filled("k p f X", "k p g X", "- - - X") == ["k > p > f > X", "k > p > g > X", "k > p > X"]


def test_a_record_that_may_be_another_taxon_fills_nothing():
    assert filled("k - X", "- p X", "m - X") == ["k > X", "p > X", "m > X"]


def test_names_of_different_ranks_do_not_meet():
    assert filled("k X", "- - X") == ["k > X", "X"]


@given(st.lists(TAXA, max_size=8), st.randoms(use_true_random=False))
def test_the_order_does_not_matter_and_filling_again_changes_nothing(taxa, random):
    shuffled = taxa.copy()
    random.shuffle(shuffled)
    full = fill_gaps(taxa)
    assert fill_gaps(shuffled) == full
    assert all(one == other for one, other in fill_gaps(full.values()).items())


@given(st.lists(TAXA, max_size=8))
def test_a_filled_path_keeps_its_own_names_and_takes_others_only_from_the_rest(taxa):
    for before, after in fill_gaps(taxa).items():
        assert agree(before, after)
        for place, (old, new) in enumerate(zip(before.path, after.path, strict=True)):
            assert old == new or (old is None and any(other.path[place : place + 1] == (new,) for other in taxa))
