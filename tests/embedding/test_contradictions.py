"""Lineages that contradict each other."""

from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.contradictions import Contradictions
from cladescope.taxonomy import RANKS

TIT = {
    "kingdom": "Animalia",
    "class": "Aves",
    "order": "Passeriformes",
    "family": "Paridae",
    "genus": "Parus",
    "species": "Parus major",
}


def test_records_that_put_a_name_elsewhere_are_counted_and_those_before_are_not() -> None:
    said = Contradictions()
    assert [said.see(TIT), said.see(TIT)] == [None, None]
    other = said.see(TIT | {"family": "Sittidae"})
    assert other == "genus 'Parus' in family 'Sittidae', in other records in 'Paridae'"
    assert said.see(TIT | {"family": "Sittidae"}) == other
    assert dict(said.found) == {other: 2}


def test_a_gap_contradicts_nothing_and_case_makes_no_difference() -> None:
    said = Contradictions()
    said.see(TIT)
    assert said.see({"genus": "Parus", "species": "Parus major"}) is None
    assert said.see(TIT | {"family": None, "order": "Piciformes"}) is None
    assert said.see(TIT | {"family": "PARIDAE"}) is None


def test_a_genus_of_animals_and_one_of_plants_may_share_a_name() -> None:
    said = Contradictions()
    said.see({"kingdom": "Animalia", "family": "Muscicapidae", "genus": "Oenanthe"})
    assert said.see({"kingdom": "Plantae", "family": "Apiaceae", "genus": "Oenanthe"}) is None
    assert said.see({"kingdom": "Plantae", "family": "Muscicapidae", "genus": "Oenanthe"}) is not None


@given(st.lists(st.tuples(*[st.sampled_from([None, "Aa", "Bb"])] * len(RANKS)), max_size=12))
def test_records_of_one_tree_never_contradict_each_other(lineages: list[tuple[str | None, ...]]) -> None:
    said = Contradictions()
    for lineage in lineages:
        path = [f"{rank}{'-'.join(map(str, lineage[: place + 1]))}" for place, rank in enumerate(RANKS)]
        assert said.see(dict(zip(RANKS, path, strict=True))) is None
