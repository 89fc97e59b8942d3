"""How the numbers of probes are printed: in words, or all of them as tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cladescope.app.cli.output import CsvTable, print_line, print_sentence, print_table

if TYPE_CHECKING:
    from cladescope.analysis.probes.result import Difference, ProbeReport

SENTENCES = 3
"""Sentences under the verdict on a store."""


def show_words(reports: "Sequence[ProbeReport]", differences: "Sequence[Difference]") -> None:
    """A verdict on each store, three sentences under it, and how often the others find a relative more often than the first."""
    from cladescope.analysis.probes.in_words import difference_in_words, in_words, verdict

    names = [str(report.encoder.get("name", report.store)) for report in reports]
    if len(set(names)) < len(names):
        names = [report.store for report in reports]
    for place, (name, report) in enumerate(zip(names, reports, strict=True)):
        if place:
            print_line()
        print_sentence(verdict(name, report))
        for sentence in in_words(name, report)[:SENTENCES]:
            print_sentence(sentence)
    stores = {report.store: name for name, report in zip(names, reports, strict=True)}
    for other in dict.fromkeys(one.other for one in differences):
        own = [one for one in differences if one.other == other]
        for sentence in difference_in_words(own, names[0], stores.get(other, other)):
            print_sentence(sentence)


def show_rows(reports: "Sequence[ProbeReport]", differences: "Sequence[Difference]") -> None:
    """Every number of every store, and every difference from the first."""
    for report in reports:
        if len(reports) > 1:
            print_line()
            print_line(report.store)
        rows = [
            (
                result.probe,
                result.rank,
                f"{result.value:.4f}",
                _span(result.low, result.high),
                "" if result.null is None else f"{result.null[0]:.4f} {_span(*result.null[1:])}",
                _p(result.p_value),
                _p(result.p_adjusted),
                *(_of_taxa(found, result.alike) for found in (result.balanced, result.by_species)),
                result.n_images,
            )
            for result in report.results
        ]
        print_table(
            ["probe", "rank", "value", "95 % interval", "by chance", "p", "p, adjusted", "balanced", "by species", "n"],
            rows,
        )
    if differences:
        print_line()
        print_line("differences from the first store")
        print_table(
            ["store", "probe", "rank", "difference", "95 % interval", "p", "p, adjusted"],
            [
                (
                    d.other,
                    d.probe,
                    d.rank,
                    f"{d.difference:+.4f}",
                    _span(d.low, d.high) or "too few species",
                    _p(d.p_value),
                    _p(d.p_adjusted),
                )
                for d in differences
            ],
        )


def write_rows(reports: "Sequence[ProbeReport]") -> None:
    """Every number of every store as CSV, a row each."""
    own = (
        "probe",
        "rank",
        "value",
        "low",
        "high",
        "p_value",
        "p_adjusted",
        "balanced",
        "by_species",
        "alike",
        "n_images",
    )
    CsvTable(["store", *own, "null", "null_low", "null_high"]).add(
        {"store": report.store, **{name: getattr(result, name) for name in own}}
        | dict(zip(("null", "null_low", "null_high"), result.null or ("", "", ""), strict=True))
        for report in reports
        for result in report.results
    )


def _of_taxa(found: float | None, alike: str) -> str:
    """A value in which taxa count alike; where there is none, as where they do so anyway, an equals sign for the value itself."""
    return f"{found:.4f}" if found is not None else "=" * (alike == "species")


def _p(found: float | None) -> str:
    return "" if found is None else f"{found:.4f}"


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    from cladescope.analysis.shares import ends

    return "too few" if (found := ends(low, high, 4)) is None else f"[{found[0]}, {found[1]}]"
