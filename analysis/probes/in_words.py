"""The numbers of the probes in plain words: one verdict, and a few sentences."""

from collections.abc import Sequence

from cladescope.analysis.probes.result import Difference, ProbeReport, ProbeResult
from cladescope.analysis.shares import TOO_FEW, ends, of_100, percent
from cladescope.schema import LABEL, LEVELS
from cladescope.shown import counted

GRADES = ((0.9, "very well"), (0.7, "well"), (0.4, "fairly well"), (0.0, "poorly"))
"""Share of pictures whose nearest is of the same species, and how well species are told apart then."""
FEWEST = 20
"""Pictures from which on there is a verdict."""
TOO_SURE = 0.9
"""By chance as good as this: the question has one answer only."""

CHANCE = 0.05
"""A p-value up to which something is said to be more than chance."""
UNLIKE = 0.05
"""A share over taxa is told where it differs by as much from that over pictures."""
TOO_WIDE = 0.5
"""An interval of a share that is wider says nothing."""


def verdict(label: str, probed: ProbeReport) -> str:
    """One sentence: how well the narrowest rank that was measured is told apart.

    >>> nearest = ProbeResult(probe="1-NN purity", rank="species", value=0.95, low=0.9, null=(0.07, 0.03, 0.1), n_images=144, n_taxa=12)
    >>> verdict("tiny", ProbeReport(store="s", encoder={}, results=(nearest,)))
    'tiny tells these 12 species apart very well: of 100 pictures, 95 look most like another one of their own species (by chance 7).'
    """
    found = {result.rank: result for result in probed.results if result.probe == "1-NN purity"}
    ranks = [rank for rank in LEVELS if rank in found]
    if not ranks:
        return f"Too few names to say what {label} tells apart: no rank has two taxa."
    result = found[ranks[-1]]
    noun = {LABEL: "labels", "species": "species"}.get(ranks[-1], f"taxa ({ranks[-1]})")
    own = "label" if ranks[-1] == LABEL else ranks[-1]
    if result.n_images < FEWEST:
        return f"Too few pictures to say how well {label} tells {noun} apart: {result.n_images}, and {FEWEST} are the least."
    share = f"of 100 pictures, {of_100(result.value)} look most like another one of their own {own}"
    if result.null is None:
        return f"{label} tells these {result.n_taxa:,} {noun} apart {_grade(result.value)}: {share}."
    chance = f"by chance {of_100(result.null[0])}"
    if not _is_found(result):
        return (
            f"{label} does not tell these {result.n_taxa:,} {noun} apart better than chance would: {share} ({chance})."
        )
    return f"{label} tells these {result.n_taxa:,} {noun} apart {_grade(result.value)}: {share} ({chance})."


def _grade(share: float) -> str:
    return next(word for least, word in GRADES if share >= least)


def in_words(label: str, probed: ProbeReport) -> list[str]:
    """What the numbers of one store say, the most telling first; each sentence stands on its own and names the encoder."""
    found = {(result.probe, result.rank): result for result in probed.results}
    ranks = [rank for rank in LEVELS if ("1-NN purity", rank) in found]
    sentences = [*_nearest(label, [found["1-NN purity", rank] for rank in ranks])]
    sentences += [_alike(label, found["1-NN purity", ranks[-1]])] if ranks else []
    sentences += _unseen_species(label, found, ranks)
    if (triplet := found.get(("triplet accuracy", None))) is not None:
        sentences.append(
            f"Of two species the one more closely related to a third is also closer for {label} in {percent(triplet.value)} "
            f"of cases{_span(triplet)}, where chance would give 50 %."
        )
    if (height := found.get(("LCA height", None))) is not None:
        chance = "" if height.null is None else f" (by chance {height.null[0]:.1f})"
        sentences.append(
            f"For {label} a picture and its nearest neighbour meet {height.value:.1f} ranks up on average{chance}; 0 would be the same taxon."
        )
    if (relative := found.get(("triplet distance to phylogeny", None))) is not None:
        sentences.append(
            f"A tree built from the vectors of {label} disagrees with the phylogeny about {percent(relative.value)} of triples "
            f"of species{_span(relative)}; two thirds would be chance."
        )
    return [sentence for sentence in sentences if sentence]


def _nearest(label: str, results: Sequence[ProbeResult]) -> list[str]:
    """How often nearest neighbours are relatives: at the broadest rank, a middle one and the narrowest."""
    if not results:
        return []
    parts: list[str] = []
    for result in dict.fromkeys([results[0], results[len(results) // 2], results[-1]]):
        chance = "" if result.null is None else f" (by chance {percent(result.null[0])})"
        parts.append(f"the {result.rank} in {percent(result.value)}{' of pictures' * (not parts)}{chance}")
    said = f"For {label} the nearest neighbour of a picture shares {'; '.join(parts)}."
    tested = [result for result in results if result.null is not None]
    within = [str(result.rank) for result in tested if not _is_found(result, among=len(tested))]
    if not tested:
        return [said]
    above = any(result.rank not in ("species", LABEL) for result in tested)
    meant = " Chance above the species is to give each species a taxon at random." if above else ""
    if not within:
        return [f"{said} At every rank measured this is more than chance gives.{meant}"]
    return [f"{said} At the rank of {', '.join(within)} this cannot be told from chance.{meant}"]


def _alike(label: str, result: ProbeResult) -> str:
    """What the share is where every taxon counts alike, if that is another: some have many pictures and rule the share over pictures.

    >>> _alike("tiny", ProbeResult(probe="1-NN purity", rank="species", value=0.9, balanced=0.6))
    'Were every species to count alike, however many pictures it has, it would be 60 % for tiny and not 90 %: those with many pictures are told apart better.'
    """
    if result.balanced is None or abs(result.balanced - result.value) < UNLIKE:
        return ""
    which = "better" if result.balanced < result.value else "worse"
    return (
        f"Were every {result.rank} to count alike, however many pictures it has, it would be {percent(result.balanced)} for {label} and not "
        f"{percent(result.value)}: those with many pictures are told apart {which}."
    )


def _is_found(result: ProbeResult, *, among: int = 1) -> bool:
    """Whether a value is more than chance, as one of several that are asked together (Bonferroni).

    Of too few permutations for a p-value so small, whether its interval lies above their range.
    """
    if result.null is None:
        return False
    if result.p_value is None or (result.n_permutations + 1) * CHANCE < among:
        return (result.low or 0.0) > result.null[2]
    return result.p_value * among <= CHANCE


def _span(result: ProbeResult) -> str:
    """The interval of a result in words; one without width says that there were too few to draw from, and nothing of the truth.

    >>> _span(ProbeResult(probe="x", value=0.56, low=0.56, high=0.56)), _span(ProbeResult(probe="x", value=0.56, low=0.561, high=0.564))
    (' (too few for an interval)', ' (95 % interval 56.1 % to 56.4 %)')
    """
    if result.low is None or result.high is None:
        return ""
    found = ends(100 * result.low, 100 * result.high, 1)
    if found is None:
        return f" ({TOO_FEW})"
    low, high = percent(result.low), percent(result.high)
    if low == high:
        low, high = (f"{end} %" for end in found)
    return f" (95 % interval {low} to {high})"


def _is_thin(result: ProbeResult) -> bool:
    """Whether the interval leaves open nearly everything."""
    return result.low is not None and result.high is not None and result.high - result.low > TOO_WIDE


def _unseen_species(label: str, found: dict[tuple[str, str | None], ProbeResult], ranks: Sequence[str]) -> list[str]:
    """The narrowest rank above the species at which the classifier could be asked about other species."""
    above = [rank for rank in ranks if rank not in ("species", LABEL) and ("linear-probe accuracy", rank) in found]
    if not above:
        return []
    asked = [found["linear-probe accuracy", rank] for rank in above]
    telling = [one for one in asked if (one.null is None or one.null[0] <= TOO_SURE) and not _is_thin(one)]
    if not telling:
        return [
            f"Whether {label} knows relatives among species that it was not trained on cannot be said: too few species to ask about."
        ]
    result = telling[-1]
    said = (
        f"Asked for the {result.rank} of species that it was not trained on, a linear classifier of {label} vectors is right in "
        f"{percent(result.value)} of pictures{_span(result)}"
    )
    if result.null is None:
        return [f"{said}."]
    told = (
        "so the encoder has learnt more than to recognise single species"
        if _is_found(result)
        else "so what it has learnt may be no more than to recognise single species"
    )
    return [f"{said}, where chance would give {percent(result.null[0])}: {told}."]


def difference_in_words(own: Sequence[Difference], first: str, label: str) -> list[str]:
    """How one other encoder compares with the first: at the narrowest rank of nearest neighbours, and over all numbers."""
    nearest = [one for one in own if one.probe == "1-NN purity"]
    if not nearest:
        return []
    one = nearest[-1]
    said = (
        f"On the same pictures the nearest neighbour shares the {one.rank} {_more(100 * one.difference, label)} {first}"
    )
    if one.low is None or one.high is None:
        return [
            f"{said}; {counted(one.n_species, 'species', 'species')}: too few to say whether that is more than chance."
        ]
    apart = sum(other.p_adjusted is not None and other.p_adjusted <= CHANCE for other in own)
    span = ends(100 * one.low, 100 * one.high, 1, sign=True)
    return [
        f"{said} ({f'95 % interval of the difference {span[0]} to {span[1]} points' if span else TOO_FEW}).",
        f"Of {len(own)} differences between {label} and {first}, {apart} {'is' if apart == 1 else 'are'} more than chance.",
    ]


def _more(points: float, label: str) -> str:
    if not round(points):
        return f"as often with {label} as with"
    return f"{abs(points):.0f} points {'more' if points > 0 else 'less'} often with {label} than with"
