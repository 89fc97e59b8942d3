"""Risk asked and risk found of back-off, on pictures that a training run held out, of seen and of never-seen taxa.

python benchmarks/back_off.py organisms/metadata.csv --split runs/tiny/split.json --encoder runs/tiny/export

`split.json` is what `cladescope train` wrote; the same split is drawn again from the same source. Classes are the means of
the training pictures (unit length, centred, unit length). Of the held-out pictures a fifth sets the temperature, once; the
others are halved at random, `--draws` times: one half calibrates (`BackOff`), the other is asked.

Three calibrations: `closed set` by the pictures as they are; `open set, p` also by the same pictures with their own class
left out (`without_own`), a threshold on probability that keeps the risk for both apart; `open set` as `calibrated` does it,
with a confidence for each rank. Each is asked for held-out pictures of seen classes and for pictures of held-out classes.
Figures are means over the draws; the interval is of a bootstrap over pictures of each picture's share of wrong answers in
the draws that ask for it. `bits`: information gained, see `information_gained`.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from encoder_accuracy import redraw
from side_by_side import print_table

from cladescope.analysis.classify import asked_apart, scales
from cladescope.analysis.classify.answer_paths import critical_values, is_right, without_own
from cladescope.analysis.classify.back_off import BackOff, calibrated
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.fitting import fit_classes
from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.embedding.encoder import Encoder
from cladescope.taxonomy.taxon import RANKS, Taxon

RISKS = (0.05, 0.1, 0.2)
TEMPERATURE_SHARE = 0.2
Asked = tuple[np.ndarray, list[Taxon]]
"""Probabilities of some pictures, and their true taxa."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the manifest, folder or shards that the run was trained on")
    parser.add_argument("--split", required=True, help="split.json of the run")
    parser.add_argument("--encoder", required=True, help="what the run exported")
    parser.add_argument("--risk", type=float, nargs="+", default=RISKS)
    parser.add_argument("--draws", type=int, default=20, help="random halves of the held-out pictures")
    options = parser.parse_args()
    examples, parts = redraw(options.source, options.split)
    classes = examples.classes()
    encoder = Encoder.load(options.encoder)
    vectors = encoder.encode_images((examples.read(row) for row in range(len(examples))), batch_size=64)
    codes, trained = np.unique(classes[parts.train], return_inverse=True)
    tree = ClassTree.from_taxa([examples.class_taxa[code] for code in codes])
    names = [str(examples.class_taxa[code]) for code in codes]
    gallery = fit_classes(vectors[parts.train], trained, names, tree=tree)
    seen = np.random.default_rng(0).permutation(parts.held_out_images)
    n_fit = int(TEMPERATURE_SHARE * len(seen))
    fitted, seen = seen[:n_fit], seen[n_fit:]
    to_scale = asked_apart.Asked(gallery, vectors[fitted], np.searchsorted(codes, classes[fitted]))
    gallery = replace(gallery, scale=scales.best_scale([to_scale]))

    def asked(rows: np.ndarray) -> Asked:
        return gallery.probabilities(vectors[rows]), [examples.class_taxa[code] for code in classes[rows]]

    of_seen, of_new = asked(seen), asked(parts.held_out_species)
    print(
        f"{len(parts.train)} training pictures of {len(codes)} classes; scale {gallery.scale:.1f}, by {n_fit} pictures;"
    )
    print(f"{len(seen)} held-out pictures of these classes, {len(of_new[1])} of others; {options.draws} draws\n")
    header = ["calibrated for", "risk asked", "asked for", "risk found, %", *(f"{rank}, %" for rank in RANKS), "bits"]
    print_table(header, table(tree, of_seen, of_new, options.risk, options.draws))


def back_offs(tree: ClassTree, given: Asked) -> dict[str, BackOff]:
    """The three calibrations by some pictures."""
    p, taxa = given
    seen, imitated = critical_values(tree, p, taxa), critical_values(tree, without_own(tree, p, taxa), taxa)
    return {
        "closed set": BackOff(seen),
        "open set, p": BackOff(seen, imitated),
        "open set": calibrated(tree, [given]),
    }


def table(tree: ClassTree, of_seen: Asked, of_new: Asked, risks: Sequence[float], draws: int) -> list[list[str]]:
    """A row for each calibration, risk and kind of picture: wrong answers, and answers that go as deep as each rank."""
    (p_seen, taxa_seen), (p_new, taxa_new) = of_seen, of_new
    n, m = len(p_seen), len(p_new)
    p, taxa = np.concatenate([p_seen, p_new]), taxa_seen + taxa_new
    is_seen = np.arange(n + m) < n
    rng = np.random.default_rng(1)
    wrong, deep, bits = (defaultdict(lambda: np.full((draws, n + m), np.nan)) for _ in range(3))
    for draw in range(draws):
        order = rng.permutation(n)
        own, tested = order[: n // 2], np.concatenate([order[n // 2 :], np.arange(n, n + m)])
        asked_taxa = [taxa[row] for row in tested]
        for kind, back_off in back_offs(tree, (p_seen[own], [taxa_seen[row] for row in own])).items():
            for risk in risks:
                answered, _ = back_off.answer(tree, p[tested], risk)
                right = is_right(tree, answered, asked_taxa)
                path = np.where((answered >= 0)[:, None], tree.lineage[answered], -1)
                wrong[kind, risk][draw, tested] = ~right
                deep[kind, risk][draw, tested] = np.where(answered >= 0, tree.rank[answered], -1)
                bits[kind, risk][draw, tested] = information_gained(tree.class_nodes, path, right)
    rows = []
    for kind, risk in wrong:
        for name, chosen in (("seen", is_seen), ("never seen", ~is_seen)):
            of = wrong[kind, risk][:, chosen]
            shares = np.nanmean(of[:, ~np.isnan(of).all(axis=0)], axis=0)
            low, high = bootstrap_interval(shares)
            depth = deep[kind, risk][:, chosen]
            cover = [100 * (depth >= place).sum() / (~np.isnan(depth)).sum() for place in range(len(RANKS))]
            found = f"{100 * shares.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"
            told = f"{np.nanmean(bits[kind, risk][:, chosen]):.1f}"
            rows.append([kind, f"{risk:g}", name, found, *(f"{share:.0f}" for share in cover), told])
    return rows


def information_gained(classes: np.ndarray, answers: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bits that each answer tells: log2 of c over the classes that lie in it; 0 for a wrong answer and for none.

    `classes` (c, ranks) and `answers` (n, ranks) hold codes of taxa, -1 for none. Deng et al. 2012, Hedging Your Bets:
    Optimizing Accuracy-Specificity Trade-offs in Large Scale Visual Recognition, section 3.
    """
    named = np.flatnonzero((answers >= 0).any(axis=1))
    rank = answers.shape[1] - 1 - (answers[named, ::-1] >= 0).argmax(axis=1)
    gained = np.zeros(len(answers))
    for row, place in zip(named, rank, strict=True):
        inside = int((classes[:, place] == answers[row, place]).sum())
        gained[row] = np.log2(len(classes) / max(inside, 1)) if right[row] else 0.0
    return gained


if __name__ == "__main__":
    main()
