"""Sentences with a level, simulated at it: risks, p-values and ranges of chance, on made pictures whose truth is known.

python benchmarks/promises.py
python benchmarks/promises.py --only risk --draws 50

`risk`: classes of four laws of size are learnt from made pictures, and as many new ones of the same law are named at a risk of 0.1. Counted are wrong answers
among new pictures of known classes and among those of classes that were not taught (each class belongs to a genus of about four, of which a fifth are not taught); of each draw
the share, of all draws the mean and its standard error. `cross` asks all pictures in turn, `split` holds a fifth out. In the closed set all pictures are of known classes,
and the promise is for these.

`methods`: the same of neighbours and regressions whose k, alpha and C the pictures choose (`auto`), the three smaller laws, all asked in turn.

`compare`: two encoders that differ by noise alone, over as many species; how often p is at most 0.05 for a number of one picture each, and how often
any of the compared probes is, after Holm.

`nulls`: probes of vectors that know nothing, or (above the species) species and nothing else: how often a value lies in its 95 % range of chance, and how often p is at most 0.05.

`trees`: 24 species drawn anew from one tree of 600 of uneven pace, whose vectors walk at random along it, or know nothing of it, against that tree: how often a value lies in its range of
chance, how often p is at most 0.05, and how often the interval holds the mean value of all draws.

`variant`: coin tosses for a variant within species.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from side_by_side import machine, print_table

from cladescope.analysis.classify.answer_paths import is_right
from cladescope.analysis.classify.calibrate import Calibrated, fit_calibrated
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes.compare import differences
from cladescope.analysis.probes.result import ProbeResult
from cladescope.analysis.probes.run import probe
from cladescope.analysis.probes.tree_probes import TreeProbes
from cladescope.phylogeny.tree import Tree
from cladescope.taxonomy.taxon import Taxon

RISK = 0.1
DIM = 32
NOISE = 2.0
"""Of pictures about their class, whose distance from others of its genus is 1.4 in each dimension."""
AUTO = {"k": "auto", "C": "auto", "alpha": "auto"}
LAWS = {
    "8 classes of 6": np.full(8, 6),
    "20 classes of 20": np.full(20, 20),
    "20 of 40, 300 of 2": np.r_[np.full(20, 40), np.full(300, 2)],
    "100 classes, 200 / place (Zipf)": np.maximum(200 // np.arange(1, 101), 1),
}
"""Pictures of each class to learn from."""


def main() -> None:
    """Print a table for each kind of promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = {
        "risk": risk_rows,
        "methods": method_rows,
        "compare": compare_rows,
        "nulls": null_rows,
        "trees": tree_rows,
        "variant": variant_rows,
    }
    parser.add_argument("--only", nargs="+", choices=kinds, default=list(kinds))
    parser.add_argument("--draws", type=int, default=200)
    given = parser.parse_args()
    print(f"{machine()}; {given.draws} draws\n")
    for kind in given.only:
        head, *rows = kinds[kind](given.draws)
        print(f"{kind}\n")
        print_table(head, rows)
        print(flush=True)


def risk_rows(draws: int) -> Iterator[list[str]]:
    """A row for each law, way and set."""
    yield ["pictures", "way", "closed set, known", "open set, known", "open set, strangers", "named to the class"]
    for law, sizes in LAWS.items():
        for way, share in (("cross", None), ("split", 0.2)):
            found = defaultdict(list)
            for draw in range(draws):
                for name, value in one_risk(sizes, share, draw).items():
                    found[name].append(value)
            cells = [with_error(found[name]) for name in ("closed", "known", "strangers", "to class")]
            yield [law, way, *cells]


def method_rows(draws: int) -> Iterator[list[str]]:
    """A row for each method whose number is chosen, and law."""
    yield ["method", "pictures", "closed set, known", "open set, known", "open set, strangers", "named to the class"]
    for method in ("knn", "ridge", "logistic"):
        for law in list(LAWS)[:3]:
            found = [one_risk(LAWS[law], None, draw, method=method, **AUTO) for draw in range(draws)]
            names = ("closed", "known", "strangers", "to class")
            yield [method, law, *(with_error([one[name] for one in found]) for name in names)]


def one_risk(
    sizes: np.ndarray, share: float | None, draw: int, *, method: str = "simpleshot", **numbers: str
) -> dict[str, float]:
    """Shares of wrong answers of one draw, and of answers that go down to the class."""
    rng = np.random.default_rng([draw, len(sizes)])
    n_genera = max(2, len(sizes) // 4)
    genus = rng.integers(n_genera, size=2 * len(sizes))
    points = rng.normal(size=(n_genera, DIM))[genus] + rng.normal(size=(2 * len(sizes), DIM))
    taxa = [
        Taxon(("A", "P", "C", "O", f"F{one // 3}", f"G{one}", f"G{one} s{number}")) for number, one in enumerate(genus)
    ]
    known = np.arange(len(sizes))

    def pictures(classes: np.ndarray) -> np.ndarray:
        return points[classes] + rng.normal(scale=NOISE, size=(len(classes), DIM))

    classes = np.repeat(known, sizes)
    tree = ClassTree.from_taxa([taxa[one] for one in known])
    labels = [str(one) for one in known]
    made = fit_calibrated(
        pictures(classes), classes, labels, tree=tree, share=share, method=method, seed=draw, **numbers
    )
    new = rng.permutation(classes)[: min(1000, len(classes))]
    strangers = len(sizes) + rng.integers(len(sizes), size=500)
    found = {}
    for name, truth, closed in (("closed", new, True), ("known", new, False), ("strangers", strangers, False)):
        wrong, to_class = answered(made, pictures(truth), [taxa[one] for one in truth], closed=closed)
        found[name] = wrong
        if name == "known":
            found["to class"] = to_class
    return found


def answered(made: Calibrated, vectors: np.ndarray, truth: list[Taxon], *, closed: bool) -> tuple[float, float]:
    """Share of answers that are wrong, and of those that go down to a class."""
    assert made.back_off is not None
    back_off = made.back_off.closed_set() if closed else made.back_off
    tree = made.classes.tree
    assert tree is not None
    standing = None if made.known is None else made.known.standing(vectors)
    nodes, _ = back_off.answer(tree, made.classes.probabilities(vectors), RISK, standing)
    ends = np.isin(nodes, tree.class_node)
    return float((~is_right(tree, nodes, truth)).mean()), float(ends.mean())


def compare_rows(draws: int) -> Iterator[list[str]]:
    """A row for each number of species."""
    yield ["species", "p at most 0.05", "any after Holm", "no p-value"]
    for n_species in (4, 6, 10, 30):
        small, some, none, n = 0, 0, 0, 0
        for draw in range(draws):
            rng = np.random.default_rng([draw, n_species, 1])
            species = np.repeat(np.arange(n_species), rng.integers(3, 9, size=n_species))
            base = rng.normal(size=(n_species, DIM))[species]
            table = table_of(species)
            one, other = (
                probe(Pictures.of_table(base + rng.normal(scale=1.6, size=base.shape), table), n_permutations=0)
                for _ in range(2)
            )
            found = differences(one, other, name="b", seed=draw)
            nearest = next(each for each in found if (each.probe, each.rank) == ("1-NN purity", "species"))
            n += 1
            none += nearest.p_value is None
            small += nearest.p_value is not None and nearest.p_value <= 0.05
            some += any(each.p_adjusted is not None and each.p_adjusted <= 0.05 for each in found)
        yield [str(n_species), share(small, n), share(some, n), share(none, n)]


def null_rows(draws: int) -> Iterator[list[str]]:
    """A row for each probe and kind of rank."""
    yield ["probe", "rank", "in its 95 % range", "p at most 0.05", "values"]
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for draw in range(draws):
        rng = np.random.default_rng([draw, 2])
        species = np.repeat(np.arange(24), 5)
        blind = Pictures.of_table(rng.normal(size=(len(species), DIM)), table_of(species))
        of_species = Pictures.of_table(
            2 * rng.normal(size=(24, DIM))[species] + rng.normal(size=(len(species), DIM)), table_of(species)
        )
        for pictures, ranks in ((blind, ("species", None)), (of_species, ("genus", "family"))):
            for one in probe(pictures, n_permutations=200, seed=draw).report.results:
                if one.rank in ranks and one.null is not None and one.p_value is not None:
                    kind = counts[one.probe, one.rank or "all"]
                    kind[0] += one.null[1] - 1e-9 <= one.value <= one.null[2] + 1e-9
                    kind[1] += one.p_value <= 0.05
                    kind[2] += 1
    for (name, rank), (inside, small, n) in sorted(counts.items()):
        yield [name, rank, share(inside, n), share(small, n), str(n)]


def tree_rows(draws: int) -> Iterator[list[str]]:
    """A row for each probe, of vectors that know nothing and of such as know the tree."""
    yield ["vectors", "probe", "value", "in its 95 % range", "p at most 0.05", "interval has the mean"]
    for what, signal in (("know nothing", 0.0), ("know the tree", 1.0)):
        found: dict[str, list[ProbeResult]] = defaultdict(list)
        for draw in range(draws):
            pictures, tree = along_a_tree(signal, draw)
            probes = TreeProbes(pictures, n_permutations=200, seed=draw, tree=tree)
            for one in (*probes.correlations(), *probes.tree_distances()):
                found[one.probe].append(one)
        for name, results in found.items():
            mean = float(np.mean([one.value for one in results]))
            nulls = [one.null for one in results if one.null is not None]
            inside = sum(
                null[1] - 1e-9 <= one.value <= null[2] + 1e-9 for null, one in zip(nulls, results, strict=True)
            )
            small = sum(one.p_value is not None and one.p_value <= 0.05 for one in results)
            ends = [(one.low, one.high) for one in results if one.low is not None and one.high is not None]
            holds = sum(low <= mean <= high for low, high in ends)
            cells = [share(count, draws) for count in (inside, small, holds)]
            yield [what, name, with_error([one.value for one in results]), *cells]


def along_a_tree(signal: float, draw: int) -> tuple[Pictures, Tree]:
    """Pictures of 24 of 600 species, 1 to 8 each, and the tree of all, with three branches at its middle, of uneven lengths; it is the same in all draws."""
    rng = np.random.default_rng(4)
    n, inner = 600, 598
    parent, open_ = np.full(inner + n, -1), [0, 0, 0]
    for row in range(1, inner):
        parent[row] = open_.pop(int(rng.integers(len(open_))))
        open_ += [row, row]
    parent[inner:] = rng.permutation(open_)
    length = rng.exponential(size=len(parent))
    places = np.zeros((len(parent), DIM))
    for row in range(1, len(parent)):
        places[row] = places[parent[row]] + np.sqrt(length[row]) * rng.normal(size=DIM)
    rng = np.random.default_rng([draw, 4])
    some = rng.choice(n, 24, replace=False)
    means = signal * places[inner + some] + (1 - signal) * rng.normal(size=(24, DIM))
    number = np.repeat(np.arange(24), rng.integers(1, 9, size=24))
    vectors = means[number] + 2 * rng.normal(size=(len(number), DIM))
    labels = (*[None] * inner, *(f"G s{one}" for one in range(n)))
    table = pa.table({"species": [f"G s{some[one]}" for one in number]})
    return Pictures.of_table(vectors, table), Tree(parent=parent, length=length, label=labels)


def variant_rows(draws: int) -> Iterator[list[str]]:
    """A row for each number of pictures of a species."""
    yield ["pictures of each of 30 species", "Fisher ratio", "p at most 0.05", "in its 95 % range", "interval has 0"]
    for n_pictures in (4, 10):
        values, small, inside, holds = [], 0, 0, 0
        for draw in range(draws):
            rng = np.random.default_rng([draw, n_pictures, 3])
            species = np.repeat(np.arange(30), n_pictures)
            vectors = rng.normal(size=(30, 64))[species] + rng.normal(size=(len(species), 64))
            variant = np.concatenate([rng.permutation(np.arange(n_pictures) % 2) for _ in range(30)])
            table = table_of(species).append_column("sex", pa.array([("f", "m")[one] for one in variant]))
            report = probe(Pictures.of_table(vectors, table), variant="sex", n_permutations=99, seed=draw).report
            one = next(each for each in report.results if each.probe == "variant Fisher ratio")
            assert one.null is not None
            assert one.p_value is not None
            assert one.low is not None
            assert one.high is not None
            values.append(one.value)
            small += one.p_value <= 0.05
            inside += one.null[1] <= one.value <= one.null[2]
            holds += one.low <= 0 <= one.high
        yield [str(n_pictures), with_error(values), share(small, draws), share(inside, draws), share(holds, draws)]


def table_of(species: np.ndarray) -> pa.Table:
    """Ranks of numbered species, three to a genus and six to a family."""
    ranks = {"kingdom": "A", "family": "F", "genus": "G"}
    per = {"kingdom": 10**6, "family": 6, "genus": 3}
    columns = {rank: [f"{letter}{one // per[rank]}" for one in species] for rank, letter in ranks.items()}
    return pa.table({**columns, "species": [f"s{one}" for one in species]})


def with_error(values: list[float]) -> str:
    """Mean and its standard error."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}"


def share(count: int, n: int) -> str:
    """A share of so many, with its standard error."""
    found = count / n
    return f"{found:.3f} ± {np.sqrt(max(found * (1 - found), 1e-9) / n):.3f}"


if __name__ == "__main__":
    main()
