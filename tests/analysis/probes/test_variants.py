"""Differences within species: found where they are, of the right size, and not found in coin tosses."""

import numpy as np
import pyarrow as pa
import pytest

from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.run import probe
from cladescope.analysis.probes.variants import MOST, Variants, ratio
from cladescope.errors import InputError


def pictures_of(rng, n_species, n_pictures, dim, shift=0.0, spread=1.0):
    """Vectors of species, and a variant that moves them by `shift` along one direction."""
    species = np.repeat(np.arange(n_species), n_pictures)
    variant = np.tile(np.arange(n_pictures) % 2, n_species)
    vectors = rng.normal(size=(n_species, dim))[species] + spread * rng.normal(size=(len(species), dim))
    vectors[:, -1] = spread * rng.normal(size=len(species)) + shift * variant
    return vectors, species, variant


def test_a_variant_apart_from_species_has_no_explained_variance_and_its_own_size():
    rng = np.random.default_rng(0)
    species, side = np.repeat(np.arange(6), 10), np.tile([0, 1], 30)
    x = np.zeros((60, 8))
    x[:, :3] = rng.normal(size=(6, 3))[species]
    x[:, 5] = 3 * side + 0.1 * rng.normal(size=60)
    measured = Variants.of(x, species)
    explained, of = measured.explained(side)
    assert (explained.max() < 0.05, of.tolist()) == (True, [1.0] * 6)
    assert ratio(*measured.fisher(side)) == pytest.approx(3**2 / (2 * 0.1**2), rel=0.3)


def test_the_ratio_of_many_pictures_is_that_of_the_direction_that_is_there():
    vectors, species, variant = pictures_of(np.random.default_rng(1), 4, 150, 8, shift=2.0)
    measured = Variants.of(vectors, species, kept=0.5)
    assert ratio(*measured.fisher(variant)) == pytest.approx(2**2 / 2, rel=0.25)


def test_coin_tosses_have_no_effect_where_directions_are_chosen_elsewhere():
    rng = np.random.default_rng(2)
    n_draws, values, small, inside = 60, [], 0, 0
    for seed in range(n_draws):
        vectors, species, variant = pictures_of(rng, 12, 4, 128)
        measured = Variants.of(vectors, species, seed=seed)
        values.append(ratio(*measured.fisher(variant)))
        null = permuted(
            lambda drawing, measured=measured, variant=variant: ratio(*measured.fisher(measured.shuffled(variant, drawing))),
            values[-1], n_permutations=39, seed=seed,
        )  # fmt: skip
        small += null.p_value <= 0.05
        inside += null.low <= values[-1] <= null.high
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(n_draws)
    assert small <= 8  # 3 are expected, 9 or more come in one of 500 such tests
    assert inside >= 51
    # Measured along the direction that the same pictures chose, coin tosses look like an effect.
    differences = [vectors[(species == one) & (variant == 0)].mean(0) - vectors[(species == one) & (variant == 1)].mean(0) for one in range(12)]  # fmt: skip
    chosen = [[vectors[(species == one) & (variant == side)] @ d for side in (0, 1)] for one, d in enumerate(differences)]  # fmt: skip
    assert np.mean([(a.mean() - b.mean()) ** 2 / (a.var(ddof=1) + b.var(ddof=1)) for a, b in chosen]) > 10


def test_a_report_tells_of_a_variant_with_its_chance_and_p_value():
    rng = np.random.default_rng(3)
    found = {}
    for shift in (0.0, 4.0):
        vectors, species, variant = pictures_of(rng, 10, 6, 32, shift=shift)
        table = pa.table({"genus": [f"G{one}" for one in species], "species": [f"g{one}" for one in species], "sex": [("f", "m")[one] for one in variant]})  # fmt: skip
        report = probe(Pictures.of_table(vectors, table), variant="sex", n_permutations=99).report
        found[shift] = next(one for one in report.results if one.probe == "variant Fisher ratio")
    assert found[4.0].p_value == 0.01
    assert found[4.0].value > found[4.0].null[2]
    assert found[4.0].low > 0
    assert found[0.0].p_value > 0.05
    assert found[0.0].low < 0 < found[0.0].high


def test_of_many_pictures_of_a_species_some_are_looked_at():
    vectors, species, variant = pictures_of(np.random.default_rng(4), 2, MOST + 100, 4, shift=5.0)
    measured = Variants.of(vectors, species)
    assert ratio(*measured.fisher(variant)) > 1
    with pytest.raises(InputError, match="two pictures of both variants"):
        measured.usable(np.zeros_like(variant))


def by_loops(vectors, species, variant, orders, *, kept):
    """Explained shares, and numerators and denominators of the Fisher ratio, from the vectors themselves."""
    names = sorted(set(species.tolist()))
    means = np.array([vectors[species == name].mean(axis=0) for name in names])
    _, size, directions = np.linalg.svd(means - means.mean(axis=0))
    enough = next(n for n in range(1, len(size) + 1) if (size[:n] ** 2).sum() >= kept * (size**2).sum())
    u = directions[:enough]
    explained, squares, spreads = [], [], []
    for name, of_species in zip(names, orders, strict=True):
        x, side = vectors[species == name], variant[species == name]
        d = x[side == 0].mean(axis=0) - x[side == 1].mean(axis=0)
        explained.append(np.linalg.norm(u @ d) ** 2 / np.linalg.norm(d) ** 2)
        x = x - x @ u.T @ u
        signed, variances = [], []
        for order in of_species:
            halves = [[], []]
            for one in (0, 1):
                for place, row in enumerate([row for row in order if side[row] == one]):
                    halves[place % 2].append(row)
            along = np.zeros(len(x))
            for half, other in (halves, halves[::-1]):
                a, b = (x[[row for row in half if side[row] == one]].mean(axis=0) for one in (0, 1))
                along[other] = (x[other] - (a + b) / 2) @ (a - b) / np.linalg.norm(a - b)
            away = along[side == 0].mean() - along[side == 1].mean()
            signed.append(away * abs(away))
            variances.append(along[side == 0].var(ddof=1) + along[side == 1].var(ddof=1))
        squares.append(np.mean(signed))
        spreads.append(np.mean(variances))
    return explained, squares, spreads


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_products_of_vectors_give_what_the_vectors_give(kept):
    rng = np.random.default_rng(7)
    vectors, species, _ = pictures_of(rng, 5, 9, 12, shift=2.0)
    variant = rng.permutation(np.tile([0, 0, 1], 15))
    for one in range(5):
        variant[np.flatnonzero(species == one)[:4]] = [0, 0, 1, 1]
    measured = Variants.of(vectors, species, kept=kept)
    explained, squares, spreads = by_loops(
        vectors, species, variant, [one.orders for one in measured._species], kept=kept
    )
    np.testing.assert_allclose(measured.explained(variant)[0], explained)
    np.testing.assert_allclose(measured.fisher(variant), (squares, spreads))


def test_a_species_needs_two_pictures_of_both_variants():
    vectors, species, _ = pictures_of(np.random.default_rng(8), 3, 4, 6)
    variant = np.array([0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0])
    measured = Variants.of(vectors, species)
    assert [one.rows.tolist() for one in measured.usable(variant)] == [[0, 1, 2, 3]]
    alone = Variants.of(vectors[:4], species[:4])  # of one species there are no directions between species
    assert alone.explained(variant[:4])[0].tolist() == [0.0]
    same = Variants.of(np.ones((4, 6)), species[:4])
    assert same.explained(variant[:4])[0].tolist() == [0.0]
    assert ratio(*same.fisher(variant[:4])) == 0.0


def test_variants_are_given_out_anew_within_each_species():
    vectors, species, variant = pictures_of(np.random.default_rng(9), 3, 8, 6)
    shuffled = Variants.of(vectors, species).shuffled(variant, np.random.default_rng(0))
    assert (np.bincount(species, weights=shuffled) == np.bincount(species, weights=variant)).all()
    assert (shuffled != variant).any()
