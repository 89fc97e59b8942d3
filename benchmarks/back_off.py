"""Risk asked and risk found of back-off, on pictures that a training run held out, of seen and of never-seen taxa.

python benchmarks/back_off.py organisms/metadata.csv --split runs/tiny/split.json --encoder runs/tiny/export

`split.json` is what `cladescope train` wrote; the same split is drawn again from the same source. Classes are the means of
the training pictures (unit length, centred, unit length). Of the held-out pictures a fifth sets the temperature, once; the
others are halved at random, `--draws` times: one half calibrates (`BackOff`), the other is asked.

Two calibrations: `seen` by the pictures as they are, `mixed` with every second picture asked as if its own class were not
there (`without_own`). Each is asked for held-out pictures of seen classes and for pictures of held-out classes. Figures are
means over the draws; the interval is of a bootstrap over pictures of each picture's share of wrong answers in the draws
that ask for it.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from side_by_side import print_table

from cladescope.analysis import metrics
from cladescope.analysis.backoff import BackOff, critical_values, is_right, without_own
from cladescope.analysis.class_gallery import ClassGallery, centred
from cladescope.analysis.class_tree import ClassTree
from cladescope.arrays import normalise
from cladescope.embedding.encoder import Encoder
from cladescope.taxon import RANKS, Taxon
from cladescope.training.examples import Examples, load_examples
from cladescope.training.splits import Split, SplitConfig, content_hashes, split

RISKS = (0.05, 0.1, 0.2)
TEMPERATURE_SHARE = 0.2


def redraw(source: str, report_path: str) -> tuple[Examples, Split]:
    """The examples, and the split of the run."""
    report = json.loads(Path(report_path).read_text())
    examples = load_examples(source)
    config = SplitConfig(**{key: report[key] for key in ("species", "images", "group_by", "seed")})
    parts = split(examples, config, contents=content_hashes(examples) if "content" in report["overlaps"] else None)
    drawn = sorted(map(str, parts.held_out_taxa))
    assert (len(parts.train), drawn) == (report["n_train"], sorted(report["held_out_taxa"])), (
        "the source is not what it was"
    )
    return examples, parts


def class_means(vectors: np.ndarray, examples: Examples, rows: np.ndarray) -> tuple[ClassGallery, np.ndarray]:
    """Means of the training pictures at scale 1, and the code of each."""
    unit = normalise(vectors[rows]).astype(np.float32)
    centre = unit.mean(axis=0)
    codes, inverse = np.unique(examples.classes()[rows], return_inverse=True)
    sums = np.zeros((len(codes), unit.shape[1]), np.float32)
    np.add.at(sums, inverse, centred(unit, centre))
    taxa = [examples.class_taxa[code] for code in codes]
    tree = ClassTree.from_taxa(taxa)
    return ClassGallery(normalise(sums), tuple(map(str, taxa)), 1.0, tree=tree, centre=centre), codes


def best_scale(scores: np.ndarray, labels: np.ndarray) -> float:
    """1 / temperature of least negative log-likelihood (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""

    def loss(log_scale: float) -> float:
        scaled = np.exp(log_scale) * scores.astype(np.float64)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((total - scaled[np.arange(len(labels)), labels]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 6.0), method="bounded").x))


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
    gallery, codes = class_means(vectors, examples, parts.train)
    tree = gallery.tree
    assert tree is not None
    seen = np.random.default_rng(0).permutation(parts.held_out_images)
    n_fit = int(TEMPERATURE_SHARE * len(seen))
    fitted, seen = seen[:n_fit], seen[n_fit:]
    scale = best_scale(gallery.scores(vectors[fitted]), np.searchsorted(codes, classes[fitted]))

    def asked(rows: np.ndarray) -> tuple[np.ndarray, list[Taxon]]:
        scores = scale * gallery.scores(vectors[rows]).astype(np.float64)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True), [examples.class_taxa[code] for code in classes[rows]]

    p_seen, taxa_seen = asked(seen)
    p_new, taxa_new = asked(parts.held_out_species)
    critical = {
        "seen": critical_values(tree, p_seen, taxa_seen),
        "imitated": critical_values(tree, without_own(tree, p_seen, taxa_seen), taxa_seen),
    }
    print(f"{len(parts.train)} training pictures of {len(codes)} classes; scale {scale:.1f}, by {n_fit} pictures;")
    print(f"{len(seen)} held-out pictures of these classes, {len(p_new)} of other classes; {options.draws} draws\n")
    header = ["calibrated by", "risk asked", "asked for", "risk found, %", *(f"{rank}, %" for rank in RANKS)]
    print_table(header, table(tree, critical, (p_seen, taxa_seen), (p_new, taxa_new), options.risk, options.draws))


def table(
    tree: ClassTree,
    critical: dict[str, np.ndarray],
    of_seen: tuple[np.ndarray, list[Taxon]],
    of_new: tuple[np.ndarray, list[Taxon]],
    risks: Sequence[float],
    draws: int,
) -> list[list[str]]:
    """A row for each calibration, risk and kind of picture: wrong answers, and answers that go as deep as each rank."""
    (p_seen, taxa_seen), (p_new, taxa_new) = of_seen, of_new
    n, m = len(p_seen), len(p_new)
    p, taxa = np.concatenate([p_seen, p_new]), taxa_seen + taxa_new
    is_seen = np.arange(n + m) < n
    rows = []
    for kind in ("seen", "mixed"):
        for risk in risks:
            rng = np.random.default_rng(1)
            wrong, deep = np.full((draws, n + m), np.nan), np.full((draws, n + m), np.nan)
            for draw in range(draws):
                order = rng.permutation(n)
                own, test = order[: n // 2], order[n // 2 :]
                values = critical["seen"][own].copy()
                if kind == "mixed":
                    values[::2] = critical["imitated"][own[::2]]
                back_off = BackOff(values, n_unseen=len(values[::2]) if kind == "mixed" else 0)
                tested = np.concatenate([test, np.arange(n, n + m)])
                answered, _ = back_off.answer(tree, p[tested], risk)
                wrong[draw, tested] = ~is_right(tree, answered, [taxa[row] for row in tested])
                deep[draw, tested] = np.where(answered >= 0, tree.rank[answered], -1)
            for name, chosen in (("seen", is_seen), ("never seen", ~is_seen)):
                shares = np.nanmean(wrong[:, chosen & ~np.isnan(wrong).all(axis=0)], axis=0)
                low, high = metrics.bootstrap_interval(shares)
                depth = deep[:, chosen]
                cover = [100 * (depth >= place).sum() / (~np.isnan(depth)).sum() for place in range(len(RANKS))]
                found = f"{100 * shares.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"
                rows.append([kind, f"{risk:g}", name, found, *(f"{share:.0f}" for share in cover)])
    return rows


if __name__ == "__main__":
    main()
