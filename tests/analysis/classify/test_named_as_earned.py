"""A species only where it is earned: known pictures keep names, strangers get a higher rank or none, and without the gate the figures are bad."""

import numpy as np
import pytest

from cladescope.analysis.classify.answers import Answers
from cladescope.analysis.classify.back_off import RISK, BackOff
from cladescope.analysis.classify.calibrate import fit_calibrated
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.known import DOUBT
from cladescope.analysis.classify.said import NAMED, NOT_SURE
from cladescope.errors import InputError
from cladescope.schema import NOT_KNOWN
from cladescope.taxonomy.taxon import Taxon

DIM, GENERA, SPECIES = 24, 4, 3
"""Of each genus the last of `SPECIES` + 1 species is not listed; the last genus is not listed either."""
SPREAD, APART = 0.05, 0.35


def taxon(genus, species):
    return Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", f"F{genus}", f"G{genus}", f"G{genus} s{species}"))


LISTED = [(genus, species) for genus in range(GENERA) for species in range(SPECIES)]
TREE = ClassTree.from_taxa([taxon(*one) for one in LISTED])
LABELS = tuple(f"{genus}/{species}" for genus, species in LISTED)


def pictures(rng, n, kinds):
    """Vectors about a point for each species, near the point of its genus; and which of the kinds each is of."""
    fixed = np.random.default_rng(11)
    genera = fixed.normal(size=(GENERA + 1, DIM))
    genera /= np.linalg.norm(genera, axis=1, keepdims=True)
    own = fixed.normal(size=(GENERA + 1, SPECIES + 1, DIM))
    own *= APART / np.linalg.norm(own, axis=2, keepdims=True)
    chosen = rng.integers(len(kinds), size=n)
    points = np.stack([genera[genus] + own[genus, species] for genus, species in kinds])
    return points[chosen] + rng.normal(scale=SPREAD, size=(n, DIM)), chosen


NEW_SPECIES = [(genus, SPECIES) for genus in range(GENERA)]
NEW_FAMILY = [(GENERA, species) for species in range(SPECIES + 1)]


def fitted(seed, tree=TREE, n=600):
    vectors, classes = pictures(np.random.default_rng(seed), n, LISTED)
    return fit_calibrated(vectors, classes, LABELS, tree=tree, share=0.4, seed=seed)


def gated(made, **more):
    return Answers(made.classes, back_off=made.back_off, risk=RISK, known=made.known, doubt=DOUBT, k=1, **more)


def said(answers, vectors):
    return [found[0] for found in answers.of(vectors)]


def to_species(rows):
    return np.array([bool(row.get("species") or row.get("classification")) for row in rows])


@pytest.fixture(scope="module")
def made():
    return fitted(0)


def test_two_hundred_strangers_are_not_named_to_species_and_known_pictures_are(made):
    rng = np.random.default_rng(1)
    for strangers in (NEW_SPECIES, NEW_FAMILY):
        vectors, _ = pictures(rng, 200, strangers)
        assert to_species(said(gated(made), vectors)).mean() < 0.02
        ungated = Answers(made.classes, k=1)
        assert to_species(said(ungated, vectors)).all()
    vectors, truth = pictures(rng, 400, LISTED)
    rows = said(gated(made), vectors)
    assert to_species(rows).mean() > 0.9
    wrong = [row["species"] not in ("", TREE.class_taxon(own).name) for row, own in zip(rows, truth, strict=True)]
    assert np.mean(wrong) < RISK


def test_an_unlisted_species_gets_the_name_of_its_genus_and_the_score_is_of_that(made):
    vectors, kinds = pictures(np.random.default_rng(2), 200, NEW_SPECIES)
    rows = said(Answers(made.classes, back_off=made.back_off, risk=0.2, known=made.known, doubt=None, k=1), vectors)
    named = [(row, kind) for row, kind in zip(rows, kinds, strict=True) if row["verdict"] == NAMED and row["genus"]]
    assert len(named) > 20
    assert np.mean([row["genus"] == f"G{kind}" for row, kind in named]) > 0.8
    for row, _ in named:
        if not row["species"]:
            assert row["nearest"]
            assert row["score"] >= row["nearest_score"]


def test_over_many_draws_known_pictures_are_refused_and_misnamed_no_more_often_than_stated():
    refused, wrong = [], []
    for seed in range(30):
        answers = gated(fitted(seed, n=500))
        vectors, truth = pictures(np.random.default_rng(1000 + seed), 200, LISTED)
        rows = said(answers, vectors)
        refused.append(np.mean([row["verdict"] == NOT_KNOWN for row in rows]))
        wrong.append(
            np.mean(
                [row["species"] not in ("", TREE.class_taxon(own).name) for row, own in zip(rows, truth, strict=True)]
            )
        )
    for shares, stated in ((refused, DOUBT), (wrong, RISK)):
        error = np.std(shares) / np.sqrt(len(shares)) + np.sqrt(stated * (1 - stated) / (200 * len(shares)))
        assert np.mean(shares) <= stated + 3 * error


def test_plain_labels_are_gated_too(made):
    flat = fitted(0, tree=None)
    rng = np.random.default_rng(3)
    for strangers in (NEW_SPECIES, NEW_FAMILY):
        rows = said(gated(flat), pictures(rng, 200, strangers)[0])
        assert to_species(rows).mean() < 0.02
        assert {row["verdict"] for row in rows} <= {NOT_KNOWN, NOT_SURE, NAMED}
    vectors, truth = pictures(rng, 200, LISTED)
    rows = said(gated(flat), vectors)
    assert np.mean([row["classification"] == LABELS[own] for row, own in zip(rows, truth, strict=True)]) > 0.9


def test_a_name_goes_no_deeper_than_the_rank_and_others_follow_where_they_are_asked_for(made):
    vectors, _ = pictures(np.random.default_rng(4), 50, LISTED)
    assert all("species" not in row for row in said(gated(made, rank="genus"), vectors))
    answers = Answers(made.classes, back_off=made.back_off, risk=RISK, known=made.known, doubt=None, k=3, others=True)
    for found in answers.of(vectors):
        if found[0]["species"]:
            assert len(found) == 3
            assert len({row["species"] for row in found}) == 3
            assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
        else:
            assert len(found) == 1


def test_taxa_without_a_name_at_the_rank_or_above_it_are_not_sure_and_stand_aside():
    taxa = [Taxon((None,) * 6 + ("Parus major",)), taxon(0, 0), Taxon((None,) * 6 + ("Sitta europaea",))]
    gallery = ClassGallery(
        np.eye(3, dtype=np.float32), tuple(one.name for one in taxa), 9.0, tree=ClassTree.from_taxa(taxa)
    )
    back_off = BackOff(np.zeros(60))
    answers = Answers(gallery, rank="family", k=1, back_off=back_off, risk=RISK)
    rows = said(answers, np.eye(3, dtype=np.float32))
    assert [(row["verdict"], row.get("nearest")) for row in rows] == [
        (NOT_SURE, "Parus major"),
        (NAMED, None),
        (NOT_SURE, "Sitta europaea"),
    ]
    assert [row["family"] for row in rows] == ["", "F0", ""]
    assert all(0 < row["nearest_score"] <= 1 for row in rows[::2])
    bare = ClassGallery(np.eye(2, dtype=np.float32), ("a", "b"), 9.0, tree=ClassTree.from_taxa([taxa[0], taxa[2]]))
    with pytest.raises(InputError, match="no class has a family: ask for the rank species"):
        Answers(bare, rank="family", k=1, back_off=back_off, risk=RISK)


def test_why_names_stop_above_the_rank_is_said_with_what_goes_further(made):
    (line,) = gated(made).why({NAMED: 10}, 4)
    assert line.startswith("4 of 10 pictures are named above the species only")
    assert "closed_set goes further" in line
    assert gated(made).why({NAMED: 10}) == []
