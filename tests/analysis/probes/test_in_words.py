"""The numbers of probes in words: verdicts follow the numbers, and thin ones say so."""

from dataclasses import replace

import pytest

from cladescope.analysis.probes.in_words import difference_in_words, in_words, verdict
from cladescope.analysis.probes.result import Difference, ProbeReport, ProbeResult


def report(*results):
    return ProbeReport(store="s", encoder={}, results=results)


def nearest(value, *, low=None, null=(0.1, 0.05, 0.15), rank="species", n_images=100, **others):
    low = value - 0.05 if low is None else low
    return ProbeResult(
        probe="1-NN purity",
        rank=rank,
        value=value,
        low=low,
        high=1.0,
        null=null,
        n_images=n_images,
        n_taxa=10,
        **others,
    )


@pytest.mark.parametrize(
    ("value", "word"), [(0.95, "very well"), (0.9, "very well"), (0.75, "well"), (0.5, "fairly well"), (0.3, "poorly")]
)
def test_the_verdict_follows_the_share_of_right_neighbours(value, word):
    assert f" apart {word}: of 100 pictures, {100 * value:.0f} look" in verdict("tiny", report(nearest(value)))


def test_chance_few_pictures_and_no_names_are_said():
    assert "not tell these 10 species apart better than chance" in verdict("x", report(nearest(0.2, low=0.1)))
    assert "Too few pictures" in verdict("x", report(nearest(1.0, n_images=6)))
    assert "Too few names" in verdict("x", report())
    assert "10 labels apart" in verdict("x", report(nearest(0.9, rank="label")))
    assert "taxa (genus)" in verdict("x", report(nearest(0.9, rank="genus"), nearest(0.95, rank="order")))


def test_a_question_of_one_answer_is_not_answered():
    def linear(rank, chance, low=1.0):
        return ProbeResult(
            probe="linear-probe accuracy", rank=rank, value=1.0, low=low, high=1.0, null=(chance, chance, chance)
        )

    sure, open_ = linear("family", 1.0), linear("order", 0.3)
    ranks = [nearest(0.9, rank=rank) for rank in ("order", "family", "species")]
    only = " ".join(in_words("x", report(*ranks, sure)))
    assert "cannot be said" in only
    assert "where chance would give 100 %" not in only
    assert any("Asked for the order" in said for said in in_words("x", report(*ranks, sure, open_)))
    thin = linear("order", 0.3, low=0.4)
    assert "too few species" in " ".join(in_words("x", report(*ranks, thin)))


def test_a_difference_is_told_in_points_with_its_interval():
    def difference(rank, found, low, high, p):
        return Difference(
            probe="1-NN purity",
            rank=rank,
            other="b",
            difference=found,
            low=low,
            high=high,
            p_value=p,
            n_species=20,
            p_adjusted=p,
        )

    wide = difference("species", 0.4, 0.2, 0.6, 0.01)
    told = difference_in_words([wide, difference("genus", -0.5, -0.75, -0.25, 0.2)], "a", "b")
    assert told == [
        "On the same pictures the nearest neighbour shares the genus 50 points less often with b than with a "
        "(95 % interval of the difference -75.0 to -25.0 points).",
        "Of 2 differences between b and a, 1 is more than chance.",
    ]
    assert (
        "40 points more often with b than with a (95 % interval of the difference +20.0 to +60.0 points)"
        in difference_in_words([wide], "a", "b")[0]
    )
    even = replace(wide, difference=0.004, low=None, high=None, n_species=3)
    (said,) = difference_in_words([even], "a", "b")
    assert "as often with b as with a; 3 species: too few to say" in said


@pytest.mark.parametrize(("p_value", "is_found"), [(0.05, True), (0.055, False)])
def test_a_p_value_of_a_twentieth_is_more_than_chance_and_one_above_is_not(p_value, is_found):
    said = verdict("x", report(nearest(0.2, p_value=p_value, n_permutations=199)))
    assert ("better than chance" not in said) == is_found
