from hypothesis import given
from hypothesis import strategies as st

from cladescope.index.consensus import consensus
from cladescope.taxonomy import RANKS, Taxon

TIT = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"))
BLUE_TIT = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Cyanistes", "Cyanistes caeruleus"))
CROW = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "Corvus corax"))
FIG = Taxon(("Plantae", None, None, None, "Moraceae", "Ficus", "Ficus carica"))

TAXA = st.one_of(
    st.none(),
    st.lists(st.sampled_from([None, "A", "B"]), min_size=1, max_size=7).map(Taxon.from_ranks),
)
VOTES = st.lists(st.tuples(TAXA, st.floats(-1, 1)), max_size=12)


def test_the_deepest_taxon_with_most_of_the_weight_is_named():
    found = consensus([TIT, BLUE_TIT, CROW], [0.9, 0.8, 0.7])
    assert str(found.taxon).endswith("Passeriformes > Paridae")
    assert abs(found.share - 1.7 / 2.4) < 1e-12


def test_half_of_the_weight_is_not_most_of_it():
    assert str(consensus([TIT, CROW], [0.5, 0.5]).taxon).endswith("Passeriformes")
    assert consensus([TIT, FIG], [0.5, 0.5]).taxon is None


def test_a_high_score_outweighs_two_low_ones():
    assert consensus([FIG, TIT, CROW], [0.9, 0.3, 0.3]).taxon == FIG


def test_hits_without_a_rank_count_against_it():
    genus_only = Taxon(TIT.path[:6])
    found = consensus([TIT, genus_only, genus_only], [0.5, 0.5, 0.5])
    assert found.taxon == genus_only
    species = next(vote for vote in found.votes if vote.rank == "species")
    assert abs(species.share - 1 / 3) < 1e-12
    assert abs(species.known - 1 / 3) < 1e-12


def test_scores_below_zero_have_no_vote():
    assert consensus([TIT, FIG], [0.1, -0.9]).taxon == TIT
    assert consensus([TIT], [-0.1]).taxon is None
    assert consensus([], []).votes == ()


@given(VOTES)
def test_votes_agree_with_counting_by_hand(votes):
    taxa, scores = [taxon for taxon, _ in votes], [score for _, score in votes]
    found = consensus(taxa, scores)
    total = sum(max(score, 0) for score in scores)
    for vote in found.votes:
        held = [max(s, 0) for t, s in votes if t is not None and vote.taxon.contains(t)]
        assert abs(vote.share * total - sum(held)) < 1e-9
        depth = RANKS.index(vote.rank) + 1
        assert len(vote.taxon.path) == depth
    if found.taxon is not None:
        assert found.share > 0.5
        assert all(vote.share <= 0.5 for vote in found.votes if RANKS.index(vote.rank) >= len(found.taxon.path))
