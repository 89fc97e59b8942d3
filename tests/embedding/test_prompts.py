"""Texts of taxa: BioCLIP's strings to the letter, never an empty one, choices that can be repeated."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.prompts import (
    TEXT_TYPES,
    name_of,
    prompt,
    rank_prompt,
    text_type_of_step,
    text_types_of_samples,
)
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon

ADMIRAL = Taxon(
    ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Vanessa", "Vanessa atalanta")
)  # the species of BioCLIP's own figure
PATH = "Animalia Arthropoda Insecta Lepidoptera Nymphalidae Vanessa atalanta"
NAMES = st.sampled_from([None, "", "ANIMALIA", "Parus", "parus", "Parus major", "Parus MAJOR", "Incertae sedis"])
TAXA = st.lists(NAMES, min_size=1, max_size=7).map(Taxon.from_ranks).filter(lambda taxon: taxon is not None)
COMMON = st.sampled_from([None, "", "  ", "Great Tit", " great  tit "])


def texts(taxon, common_name=None):
    return [prompt(taxon, text_type, common_name=common_name) for text_type in TEXT_TYPES]


def in_bioclip(taxon, common):
    """The five texts by the rules of BioCLIP's data, from seven names of which the species is an epithet."""
    ranks = [(name or "").lower() for name in (*taxon.path, *[None] * 7)][:7]
    words = ranks[6].split()
    if len(words) > 1 and ranks[5] in ("", words[0]):
        ranks[5], ranks[6] = words[0], " ".join(words[1:])
    shown = [rank.capitalize() for rank in ranks[:6]] + [ranks[6]]
    taxonomic = " ".join(" ".join(shown).split())
    scientific = " ".join(" ".join(shown[5:]).split()).capitalize()
    common = " ".join((common or "").split()) or scientific or taxonomic
    names = [scientific, common, taxonomic]
    names += [f"{scientific} with common name {common}", f"{taxonomic} with common name {common}"]
    return [f"a photo of {name}." for name in names], scientific


def test_the_five_texts_of_a_species_are_those_of_bioclip():
    assert texts(ADMIRAL, "Red Admiral") == [
        "a photo of Vanessa atalanta.",
        "a photo of Red Admiral.",
        f"a photo of {PATH}.",
        "a photo of Vanessa atalanta with common name Red Admiral.",
        f"a photo of {PATH} with common name Red Admiral.",
    ]


def test_without_a_common_name_the_scientific_name_stands_in_for_it():
    assert texts(ADMIRAL) == [
        "a photo of Vanessa atalanta.",
        "a photo of Vanessa atalanta.",
        f"a photo of {PATH}.",
        "a photo of Vanessa atalanta with common name Vanessa atalanta.",
        f"a photo of {PATH} with common name Vanessa atalanta.",
    ]
    assert texts(ADMIRAL, " ") == texts(ADMIRAL)


def test_a_family_has_its_own_name_and_its_path():
    family = Taxon(("Animalia", None, "Aves", None, "Paridae"))
    assert texts(family) == [
        "a photo of Paridae.",
        "a photo of Animalia Aves Paridae.",
        "a photo of Animalia Aves Paridae.",
        "a photo of Paridae with common name Animalia Aves Paridae.",
        "a photo of Animalia Aves Paridae with common name Animalia Aves Paridae.",
    ]


def test_a_genus_alone_is_its_own_scientific_name():
    assert name_of(Taxon(ADMIRAL.path[:6]), "com") == "Vanessa"


@pytest.mark.parametrize(
    "genus, species, expected",
    [
        ("Vanessa", "Vanessa atalanta", "Vanessa atalanta"),
        (None, "Vanessa atalanta", "Vanessa atalanta"),
        (None, "atalanta", "Atalanta"),
        ("Vanessa", "atalanta", "Vanessa atalanta"),
        ("Bison", "Bison bison", "Bison bison"),
        ("bison", "Bison BISON", "Bison bison"),
        ("Quercus", "Quercus x rosacea", "Quercus x rosacea"),
        ("Cyanistes", "Parus caeruleus", "Cyanistes parus caeruleus"),
        ("Ficus", "Ficus", "Ficus ficus"),
    ],
)
def test_the_epithet_follows_the_genus_once(genus, species, expected):
    assert name_of(Taxon(("Animalia", None, None, None, None, genus, species)), "sci") == expected


@given(TAXA, COMMON)
def test_wherever_bioclip_has_a_text_it_is_ours(taxon, common):
    theirs, scientific = in_bioclip(taxon, common)
    ours = texts(taxon, common)
    if not scientific:
        own = " ".join(taxon.name.split()).capitalize()
        theirs[0] = f"a photo of {own}."
        theirs[3] = theirs[3].replace("a photo of ", f"a photo of {own}", 1)
    assert ours == theirs


@given(TAXA, COMMON)
def test_no_text_is_empty_or_has_a_gap(taxon, common):
    for text in texts(taxon, common):
        assert len(text) > len("a photo of .")
        assert text.split() == text.split(" ")
        assert " ." not in text


def test_an_unknown_text_type_is_told_the_five():
    with pytest.raises(InputError, match="'taxonTag', expected one of sci, com, taxon, sci_com, taxon_com"):
        prompt(ADMIRAL, "taxonTag")


def test_a_taxon_of_blank_names_is_refused():
    with pytest.raises(InputError, match="blank names only"):
        prompt(Taxon((None, " ")), "com", common_name="bird")
    with pytest.raises(InputError, match="blank names only"):
        rank_prompt(Taxon((None, " ")), "phylum")


def test_a_rank_prompt_holds_the_path_down_to_the_rank():
    assert rank_prompt(ADMIRAL, "kingdom") == "a photo of Animalia."
    assert rank_prompt(ADMIRAL, "order") == "a photo of Animalia, Arthropoda, Insecta, Lepidoptera."
    assert rank_prompt(ADMIRAL, "species") == f"a photo of {PATH.replace(' ', ', ')}."
    assert rank_prompt(Taxon((None, None, "Aves", None, "Paridae")), "family") == "a photo of Aves, Paridae."


def test_a_rank_that_the_taxon_lacks_has_no_prompt():
    gap = Taxon(("Animalia", None, "Aves"))
    for rank in ("phylum", "genus"):
        with pytest.raises(InputError, match=f"Animalia > Aves has no {rank}: ask for one of kingdom, class"):
            rank_prompt(gap, rank)
    with pytest.raises(InputError, match="'tribe', expected one of kingdom, phylum"):
        rank_prompt(gap, "tribe")


@given(TAXA)
def test_taxa_of_one_lineage_share_their_rank_prompts(taxon):
    for above in taxon.lineage:
        if above.rank != "species":
            assert rank_prompt(taxon, above.rank) == rank_prompt(above, above.rank)
    assert set(RANKS) >= {above.rank for above in taxon.lineage}


@given(st.integers(0, 10**6))
def test_the_type_of_a_step_is_the_one_that_bioclip_draws(step):
    before = random.getstate()
    random.seed(step)
    theirs = random.choice(["sci", "com", "taxon", "sci_com", "taxon_com"])
    random.setstate(before)
    assert text_type_of_step(step) == theirs


def test_choices_leave_the_shared_generator_alone(monkeypatch):
    # The type checker of the tests draws from it too, so its state cannot tell.
    for name in ("seed", "choice"):
        monkeypatch.setattr(random, name, None)
    assert text_type_of_step(0) == "sci_com"
    assert len(text_types_of_samples(0, 0, range(3))) == 3


def test_steps_choose_among_the_types_that_are_allowed():
    assert {text_type_of_step(step, text_types=("sci", "com")) for step in range(20)} == {"sci", "com"}


def test_the_type_of_a_sample_depends_on_its_position_only():
    alone = [text_types_of_samples(3, 2, [position])[0] for position in range(200)]
    assert text_types_of_samples(3, 2, range(200)) == alone
    assert text_types_of_samples(3, 2, np.arange(200)[::-1]) == alone[::-1]


def test_another_seed_or_epoch_chooses_other_types():
    here = text_types_of_samples(3, 2, range(200))
    for seed, epoch in ((4, 2), (3, 3), (2, 3)):
        there = text_types_of_samples(seed, epoch, range(200))
        assert 10 < sum(a == b for a, b in zip(here, there, strict=True)) < 80


def test_samples_choose_uniformly():
    counts = Counter(text_types_of_samples(0, 0, range(5000)))
    assert set(counts) == set(TEXT_TYPES)
    assert all(900 < n < 1100 for n in counts.values())
    assert set(text_types_of_samples(0, 0, range(50), text_types=("taxon",))) == {"taxon"}
