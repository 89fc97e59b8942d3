"""The numbers of a report in a few plain sentences."""

from cladescope.analysis.probes.in_words import difference_in_words, in_words, verdict
from cladescope.analysis.report.result import Report
from cladescope.schema import LABEL


def summary(report: Report) -> list[str]:
    """What the numbers say, the most telling first; each sentence stands on its own and names the encoder it speaks of."""
    sentences: list[str] = []
    for label, probed in zip(report.labels, report.probes, strict=True):
        sentences += in_words(label, probed)
    sentences += [*_differences(report), _pictures(report)]
    if report.maps:
        kept = " and ".join(
            f"{one.trustworthiness[0]:.2f} and {one.continuity[0]:.2f} ({one.label})" for one in report.maps
        )
        sentences.append(
            f"How well the map keeps neighbours together: trustworthiness and continuity are {kept}, of 1 at best. Distances "
            "between clusters on it mean little."
        )
    return sentences


def verdicts(report: Report) -> list[str]:
    """A sentence an encoder: how well it tells apart what was measured."""
    return [verdict(label, probed) for label, probed in zip(report.labels, report.probes, strict=True)]


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


def _differences(report: Report) -> list[str]:
    return [
        sentence
        for label in report.labels[1:]
        for sentence in difference_in_words(
            [one for one in report.differences if one.other == label], report.labels[0], label
        )
    ]
