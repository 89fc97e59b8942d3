from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.index.consensus import consensus
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.gaps import fill_gaps

TIT = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"))
BLUE_TIT = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Cyanistes", "Cyanistes caeruleus"))
CROW = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "Corvus corax"))
FIG = Taxon(("Plantae", None, None, None, "Moraceae", "Ficus", "Ficus carica"))

TAXA = st.one_of(
    st.none(),
    st.lists(st.sampled_from([None, "A", "B"]), min_size=1, max_size=7).map(Taxon.from_ranks),
)
VOTES = st.lists(st.tuples(TAXA, st.floats(-1, 1)), max_size=12)
GAPS = st.lists(st.booleans(), min_size=7, max_size=7)


def without(taxon, *ranks):
    return Taxon(tuple(None if rank in ranks else name for rank, name in zip(RANKS, taxon.path, strict=False)))


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


def test_a_species_whose_hits_partly_lack_a_phylum_is_one_species():
    found = consensus([TIT, without(TIT, "phylum"), TIT, without(TIT, "phylum")], [0.9, 0.9, 0.8, 0.8])
    assert found.taxon == TIT
    assert [(vote.taxon, vote.share, vote.known) for vote in found.votes] == [(one, 1.0, 1.0) for one in TIT.lineage]


def test_a_genus_of_birds_and_one_of_plants_stay_apart_and_a_hit_that_could_be_either_votes_for_neither():
    bird = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe"))
    plant = Taxon(("Plantae", "Tracheophyta", "Magnoliopsida", "Apiales", "Apiaceae", "Oenanthe"))
    either = without(plant, "kingdom", "phylum", "class", "order", "family")
    assert consensus([bird, plant], [0.5, 0.5]).taxon is None
    assert consensus([bird, plant, either], [0.5, 0.5, 0.5]).taxon is None
    assert consensus([bird, bird, bird, plant, either], [0.5] * 5).share == 3 / 5
    assert consensus([bird, either], [0.5, 0.5]) == consensus([bird, bird], [0.5, 0.5])


def test_spellings_of_one_name_vote_as_one_and_are_shown_in_one_way():
    spellings = ["parus major", "Parus\u00a0major", "PARUS MAJOR", "Parus\u200b major", "Parus major"]
    hits = [Taxon((*TIT.path[:6], spelling)) for spelling in spellings]
    for order in (hits, hits[::-1]):
        found = consensus(order, [0.5] * 5)
        assert (found.taxon.name, found.share) == ("Parus major", 1.0)
    composed, decomposed = Taxon(("Plantae", "Ébène")), Taxon(("Plantae", "E\u0301be\u0300ne"))
    assert consensus([composed, decomposed], [0.5, 0.5]).taxon.path == composed.path


@given(VOTES, st.randoms(use_true_random=False))
def test_the_order_of_hits_does_not_matter(votes, random):
    shuffled = votes.copy()
    random.shuffle(shuffled)
    results = [consensus([taxon for taxon, _ in order], [score for _, score in order]) for order in (votes, shuffled)]
    assert repr(results[0]) == repr(results[1])


@settings(max_examples=150, deadline=None)
@given(VOTES, TAXA.filter(lambda taxon: taxon is not None), st.lists(GAPS, min_size=1, max_size=4), st.data())
def test_filling_a_gap_of_a_taxon_with_its_own_name_never_lowers_its_share(votes, taxon, gaps, data):
    def share(hits):
        found = consensus([hit for hit, _ in hits], [score for _, score in hits])
        full = fill_gaps(hit for hit, score in hits if hit is not None and score > 0)
        mine = sum(score for hit, score in hits if score > 0 and hit is not None and full[taxon].contains(full[hit]))
        for vote in found.votes:
            assert vote.taxon != full[taxon] or abs(vote.share * sum(max(s, 0) for _, s in hits) - mine) < 1e-9
        return mine

    gapped = [
        Taxon((*(None if gap else name for gap, name in zip(row, taxon.path[:-1], strict=False)), taxon.name))
        for row in gaps
    ]
    chosen = data.draw(st.integers(0, len(gapped) - 1))
    open_places = [place for place, name in enumerate(taxon.path) if name and gapped[chosen].path[place] is None]
    before = [(taxon, 1.0), *votes, *((one, 0.5) for one in gapped)]
    for place in open_places:
        path = list(gapped[chosen].path)
        path[place] = taxon.path[place]
        after = [*before]
        after[1 + len(votes) + chosen] = (replace(gapped[chosen], path=tuple(path)), 0.5)
        assert share(after) >= share(before) - 1e-9


@given(VOTES)
def test_votes_agree_with_counting_by_hand(votes):
    taxa, scores = [taxon for taxon, _ in votes], [score for _, score in votes]
    found = consensus(taxa, scores)
    total = sum(max(score, 0) for score in scores)
    full = fill_gaps(taxon for taxon, score in votes if taxon is not None and score > 0)
    for vote in found.votes:
        held = [score for taxon, score in votes if taxon in full and score > 0 and vote.taxon.contains(full[taxon])]
        assert abs(vote.share * total - sum(held)) < 1e-9
        depth = RANKS.index(vote.rank) + 1
        assert len(vote.taxon.path) == depth
    if found.taxon is not None:
        assert found.share > 0.5
        assert all(vote.share <= 0.5 for vote in found.votes if RANKS.index(vote.rank) >= len(found.taxon.path))
