"""The numbers of a report in a few plain sentences."""

from collections.abc import Sequence

from cladescope.analysis.probes.result import ProbeReport, ProbeResult
from cladescope.analysis.report.result import Report
from cladescope.schema import LABEL, LEVELS


def summary(report: Report) -> list[str]:
    """What the numbers say, the most telling first; each sentence stands on its own and names the encoder it speaks of."""
    sentences = [_pictures(report)]
    for label, probed in zip(report.labels, report.probes, strict=True):
        sentences += _of_store(label, probed)
    sentences += _differences(report)
    if report.maps:
        kept = " and ".join(
            f"{one.trustworthiness[0]:.2f} and {one.continuity[0]:.2f} ({one.label})" for one in report.maps
        )
        sentences.append(
            f"How well the map keeps neighbours together: trustworthiness and continuity are {kept}, of 1 at best. Distances "
            "between clusters on it mean little."
        )
    return sentences


def percent(value: float) -> str:
    """A share as a percentage, with a decimal where it is close to none or to all.

    >>> percent(0.704), percent(0.9962), percent(1.0)
    ('70 %', '99.6 %', '100 %')
    """
    shown = 100 * value
    close = 0 < shown < 1 or 99 < shown < 100
    return f"{min(shown, 99.9):.1f} %" if close else f"{shown:.0f} %"


def _pictures(report: Report) -> str:
    species = report.ranks[-1]
    named = [count for count in report.ranks if count.taxa]
    lacking = [count for count in report.ranks if count.missing]
    noun = "labels (the names of folders, with no ranks above them)" if species.rank == LABEL else "species"
    of = f"{species.taxa:,} {noun}" if species.taxa else f"{named[-1].taxa:,} taxa at the rank of {named[-1].rank}"
    most = max(lacking, key=lambda count: count.missing, default=None)
    gaps = (
        "no rank is missing" if most is None else f"most often missing is the {most.rank}, in {most.missing:,} pictures"
    )
    return f"{report.n_images:,} pictures of {of} were measured; {gaps}."


def _of_store(label: str, probed: ProbeReport) -> list[str]:
    found = {(result.probe, result.rank): result for result in probed.results}
    ranks = [rank for rank in LEVELS if ("1-NN purity", rank) in found]
    sentences = [*_nearest(label, [found["1-NN purity", rank] for rank in ranks])]
    sentences += _unseen_species(label, found, ranks)
    if (height := found.get(("LCA height", None))) is not None:
        chance = "" if height.null is None else f" (by chance {height.null[0]:.1f})"
        sentences.append(
            f"For {label} a picture and its nearest neighbour meet {height.value:.1f} ranks up on average{chance}; 0 would be the same "
            "taxon, 7 not even the same kingdom."
        )
    if (triplet := found.get(("triplet accuracy", None))) is not None:
        sentences.append(
            f"Of two species the one more closely related to a third is also closer for {label} in {percent(triplet.value)} "
            f"of cases{_span(triplet)}, where chance would give 50 %."
        )
    if (relative := found.get(("triplet distance to phylogeny", None))) is not None:
        sentences.append(
            f"A tree built from the vectors of {label} disagrees with the phylogeny about {percent(relative.value)} of triples "
            f"of species{_span(relative)}; two thirds would be chance."
        )
    return sentences


def _nearest(label: str, results: Sequence[ProbeResult]) -> list[str]:
    """How often nearest neighbours are relatives: at the broadest rank, a middle one and the narrowest."""
    if not results:
        return []
    parts: list[str] = []
    for result in dict.fromkeys([results[0], results[len(results) // 2], results[-1]]):
        chance = "" if result.null is None else f", where chance would give {percent(result.null[0])}"
        parts.append(f"the {result.rank} in {percent(result.value)}{' of pictures' * (not parts)}{chance}")
    said = f"For {label} the nearest neighbour of a picture shares {'; '.join(parts)}."
    tested = [result for result in results if result.null is not None]
    within = [
        str(result.rank) for result in tested if result.null is not None and (result.low or 0.0) <= result.null[2]
    ]
    if not tested:
        return [said]
    if not within:
        return [f"{said} At every rank measured this is more than chance gives."]
    return [f"{said} At the rank of {', '.join(within)} this cannot be told from chance."]


def _span(result: ProbeResult) -> str:
    if result.low is None or result.high is None:
        return ""
    return f" (95 % interval {percent(result.low)} to {percent(result.high)})"


def _unseen_species(label: str, found: dict[tuple[str, str | None], ProbeResult], ranks: Sequence[str]) -> list[str]:
    """The narrowest rank above the species at which the classifier could be asked about other species."""
    above = [rank for rank in ranks if rank not in ("species", LABEL) and ("linear-probe accuracy", rank) in found]
    if not above:
        return []
    result = found["linear-probe accuracy", above[-1]]
    said = (
        f"Asked for the {above[-1]} of species that it was not trained on, a linear classifier of {label} vectors is right in "
        f"{percent(result.value)} of pictures{_span(result)}"
    )
    if result.null is None:
        return [f"{said}."]
    told = (
        "so the encoder has learnt more than to recognise single species"
        if (result.low or 0.0) > result.null[2]
        else "so what stands above chance at this rank may be no more than recognising single species"
    )
    return [f"{said}, where chance would give {percent(result.null[0])}: {told}."]


def _differences(report: Report) -> list[str]:
    sentences = []
    for label in report.labels[1:]:
        own = [one for one in report.differences if one.other == label]
        nearest = [one for one in own if one.probe == "1-NN purity"]
        if not nearest:
            continue
        one = nearest[-1]
        sentences.append(
            f"On the same pictures the nearest neighbour shares the {one.rank} {_more(100 * one.difference, label)} "
            f"{report.labels[0]} (95 % interval of the difference {100 * one.low:+.1f} to {100 * one.high:+.1f} points)."
        )
        apart = sum(one.low > 0 or one.high < 0 for one in own)
        sentences.append(
            f"Of {len(own)} differences between {label} and {report.labels[0]}, {apart} have an interval that leaves out 0."
        )
    return sentences


def _more(points: float, label: str) -> str:
    if not round(points):
        return f"as often with {label} as with"
    return f"{abs(points):.0f} points {'more' if points > 0 else 'less'} often with {label} than with"
