"""A report as one HTML page that needs no other file and no network: figures inside, tables that scroll, light and dark."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from cladescope.analysis.maps.page import map_page
from cladescope.analysis.maps.quality import error_said
from cladescope.analysis.maps.small_pictures import small_pictures
from cladescope.analysis.probes.result import ProbeReport
from cladescope.analysis.report import figures, pieces
from cladescope.analysis.report.methods import (
    GENERAL,
    METHODS,
    OF_RANKS,
    OF_SHAPE,
    OF_TREES,
    OF_VARIANTS,
    Method,
    method_name,
)
from cladescope.analysis.report.result import Report
from cladescope.analysis.report.summary import summary, verdicts
from cladescope.analysis.shares import TOO_FEW
from cladescope.embedding.thumbnail import photograph
from cladescope.errors import PictureError

PHOTOGRAPH = 320
"""Longer side of a photograph in pixels; it is shown at half of it."""
ROOM = 3_000_000
"""Bytes of all small pictures on the maps."""
SENTENCES = 3
"""Sentences under the verdict; the others are closed."""


def methods_used(report: Report) -> dict[str, Method]:
    """The words of the methods whose numbers the report holds."""
    used = {method_name(result.probe) for one in report.probes for result in one.results}
    used |= {"map", "trustworthiness", "continuity"} if report.maps else set()
    return {name: method for name, method in METHODS.items() if name in used}


def report_page(report: Report, *, room: int = ROOM) -> str:
    """The page. Names from the data are escaped; about 15 kB a panel, 300 kB for maps, and four thirds of the `room` of their small pictures."""
    store = report.probes[0].store
    parts = {
        "examples": ("What is meant, in photographs", _examples(report)),
        "map": ("Map", _maps(report, room)),
        "ranks": ("Rank by rank", _ranks(report)),
        "tree": ("The tree as a whole", _tree(report)),
        "shape": ("The shape of the space", _shape(report)),
        "variants": ("Variants within species", _variants(report)),
        "differences": ("Differences between encoders", _differences(report)),
        "asked": ("What was measured", _asked(report)),
        "missing": ("What could not be measured", _not_measured(report)),
        "methods": ("What the numbers mean, and where they come from", _methods(report)),
    }
    parts = {key: part for key, part in parts.items() if part[1]}
    links = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in parts.items())
    sections = "".join(f'<section id="{key}"><h2>{title}</h2>{body}</section>' for key, (title, body) in parts.items())
    # A number and its sign stay on one line.
    told = [f"<li>{escape(sentence).replace(' %', '&nbsp;%')}</li>" for sentence in summary(report)]
    verdict = "".join(f"<p class=verdict>{escape(sentence)}</p>" for sentence in verdicts(report))
    more = pieces.closed("More in words", f"<ul>{''.join(told[SENTENCES:])}</ul>") if told[SENTENCES:] else ""
    title = f"What {escape(' and '.join(report.labels))} make{'s' * (len(report.labels) == 1)} of the tree of life"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{pieces.CSS}</style></head>\n<body><main><header><h1>{title}</h1><p>{escape(store)}</p></header>\n"
        f'<nav aria-label="Sections">{links}</nav>\n<section id="summary"><h2>In short</h2>{verdict}'
        f"<ul>{''.join(told[:SENTENCES])}</ul>{more}</section>\n"
        f"{sections}</main></body></html>\n"
    )


def _examples(report: Report) -> str:
    """A row of photographs for each example; one whose pictures cannot be read is told instead."""
    body = ""
    for one in report.examples:
        try:
            shown = [
                f'<figure><img alt="{escape(said)}" src="{photograph(uri, PHOTOGRAPH)}"><figcaption>{escape(said)}</figcaption></figure>'
                for uri, said in one.pictures
            ]
        except PictureError as error:
            shown = [f"<p class=note>Its pictures cannot be shown: {escape(str(error))}</p>"]
        body += f"<h3>{escape(one.title)}</h3><p>{escape(one.words)}</p><div class=photographs>{''.join(shown)}</div>"
    return body


def _asked(report: Report) -> str:
    within = report.settings.get("within")
    clades = within if within is None or isinstance(within, str) else " or ".join(within)
    chosen = {"only the clade": clades, "only rows where": report.settings.get("where")}
    selection = [f"{word} {escape(str(value))}" for word, value in chosen.items() if value]
    stores = [
        [
            escape(label), f"<span class=path>{escape(one.store)}</span>", f"{one.store_version}", escape(str(one.encoder.get("name", ""))),
            f"{one.encoder.get('dim', '')}", escape(str(one.encoder.get("weight_hash") or "not known")[:12]), f"{total:,}",
        ]
        for label, one, total in zip(report.labels, report.probes, report.totals, strict=True)
    ]  # fmt: skip
    head = [
        "short name",
        "store",
        "version",
        "encoder",
        "numbers a vector",
        "weights (start of their hash)",
        "pictures",
    ]
    measured = f"<p>{report.n_images:,} pictures were measured"
    measured += ", those that every store holds" if len(report.probes) > 1 else ""
    measured += f": {'; '.join(selection)}.</p>" if selection else ".</p>"
    ranks = [[one.rank, f"{one.taxa:,}", f"{one.pictures:,}", f"{one.missing:,}"] for one in report.ranks]
    settings = report.settings
    drawn = (
        f"<p>At most {settings.get('sample', 0):,} pictures were asked for their neighbours, among all of them; labels were "
        f"permuted {settings.get('permutations', 0):,} times; seed {settings.get('seed', 0)}.</p>"
    )
    return (
        measured
        + pieces.closed("The stores and their encoders", pieces.table(head, stores, numbers_from=6))
        + pieces.closed(
            "Taxa and pictures at each rank",
            pieces.table(["rank", "taxa", "pictures", "pictures without it"], ranks, numbers_from=1),
        )
        + drawn
    )


def _ranks(report: Report) -> str:
    panels = figures.rank_panels(report.probes)
    legend = pieces.legend(report.labels, "rank", nulls=report.settings.get("permutations") != 0)
    body = pieces.panels(panels, legend, "rank") if panels else "<p>No rank has two taxa.</p>"
    for label, one in zip(report.labels, report.probes, strict=True):
        body += pieces.closed(f"All numbers of {label}", _by_rank(one))
    return body


def _by_rank(report: ProbeReport) -> str:
    """A table with a line a rank and probe."""
    probes = figures.names_of([report], OF_RANKS)
    shown = [result for probe in probes for result in report.results if result.probe == probe]
    rows = [
        [
            escape(result.probe), escape(result.rank or ""), *pieces.cells(result),
            "" if result.balanced is None else pieces.number(result.balanced), f"{result.n_images:,}", f"{result.n_taxa:,}",
            f"{result.n_left_out:,}",
        ]
        for result in shown
    ]  # fmt: skip
    head = ["", "rank", *pieces.CELLS, "balanced", "pictures", "taxa", "without the rank"]
    return pieces.table(head, rows, numbers_from=2, groups=True)


def _tree(report: Report) -> str:
    rows = _overall(report, OF_TREES)
    if not rows:
        return ""
    body = ""
    if any(method_name(one.probe) == "triplet distance" for report in report.probes for one in report.results):
        legend = pieces.legend(report.labels, "tree", nulls=report.settings.get("permutations") != 0)
        body += pieces.panels([("Over all ranks", figures.tree_panel(report.probes))], legend, "tree", wide=True)
    body += rows
    if matching := report.probes[0].trees:
        lost = [str(name) for name in matching.get("unmatched", [])]
        body += (
            f"<p>The phylogeny has {matching.get('tips', 0):,} tips; {matching.get('matched', 0):,} species are among them"
            f"{f', {len(lost):,} are not: ' + escape(', '.join(lost[:20])) if lost else ''}{' …' * (len(lost) > 20)}.</p>"
        )
    if any("similarity" in one.curves for one in report.probes):
        panel = [("Likeness of two species by their distance in the taxonomy", figures.similarity_panel(report.probes))]
        body += pieces.panels(panel, pieces.legend(report.labels, "similarity"), "similarity", wide=True)
    return body


def _shape(report: Report) -> str:
    panel = [("How often pictures are neighbours of others", figures.hubness_panel(report.probes))]
    legend = pieces.legend(report.labels, "hubness", bars=False)
    return _overall(report, OF_SHAPE) + pieces.panels(panel, legend, "hubness", wide=True)


def _variants(report: Report) -> str:
    return _overall(report, OF_VARIANTS)


def _overall(report: Report, methods: Sequence[str]) -> str:
    """A table of probes over all ranks: a line a probe and store, with what it means."""
    rows = []
    for probe in figures.names_of(report.probes, methods):
        method = METHODS[method_name(probe)]
        said = f"<p>{escape(method.reads)}</p>"
        for label, one in zip(report.labels, report.probes, strict=True):
            for result in one.results:
                if result.probe != probe:
                    continue
                # Where the meaning holds numbers of its own, or names of the data, it is said of each store.
                own = (
                    escape(result.meaning)
                    if method_name(probe)
                    in ("Robinson-Foulds", "neighbour-joining Robinson-Foulds", "quartet distance", *OF_VARIANTS)
                    else ""
                )
                rows.append([escape(probe), escape(label), *pieces.cells(result), pieces.better(method), said + own])
                said = ""
    if not rows:
        return ""
    head = ["", "encoder", *pieces.CELLS, "better", "what it says"]
    several = len(report.labels) > 1
    kept = [place for place in range(len(head)) if (several or place != 1) and any(row[place] for row in rows)]
    shown = [head[place] for place in kept]
    figures_at = [place for place, word in enumerate(shown) if word in pieces.CELLS]
    picked = [[row[place] for place in kept] for row in rows]
    table = pieces.table(shown, picked, numbers_from=figures_at[0], numbers=len(figures_at), groups=several)
    return pieces.closed("The numbers, and what each says", table)


def _differences(report: Report) -> str:
    if not report.differences:
        return ""
    others = report.labels[1:]
    body = f"<p>Each number is the other encoder's less that of {escape(report.labels[0])}, on the same pictures.</p>"
    if panels := figures.difference_panels(report.differences, others):
        body += pieces.panels(panels, pieces.legend(others, "difference", first=1, zero=True), "difference")
    several = len(others) > 1
    rows = [
        [
            escape(one.probe), one.rank or "", *([escape(one.other)] if several else []),
            f"<b>{'+' * (one.difference > 0)}{pieces.number(one.difference)}</b>",
            TOO_FEW if one.low is None or one.high is None else pieces.interval(one.low, one.high),
            pieces.p_value(one.p_value), pieces.p_value(one.p_adjusted),
        ]
        for probe in dict.fromkeys(one.probe for one in report.differences)
        for one in report.differences
        if one.probe == probe
    ]  # fmt: skip
    head = ["", "rank", *(["encoder"] if several else []), "difference", "95 % interval", "p", "p, adjusted"]
    table = pieces.closed("All differences", pieces.table(head, rows, numbers_from=2 + several, numbers=4, groups=True))
    return f"{body}{table}<p class=note>{escape(GENERAL['Difference'])}</p>"


def _maps(report: Report, room: int) -> str:
    """One frame, in which the stores' maps can be chosen, and how far each can be trusted."""
    if not report.maps:
        return ""
    said = ""
    for one in report.maps:
        words = f"Map of {len(one.points):,} pictures as {one.label} sees them, coloured by {one.rank}"
        values = [
            f"{name} {value:.3f} ({f'standard error {error_said(error, len(one.points))}' if error else 'measured on all pictures'})"
            for name, (value, error) in (("trustworthiness", one.trustworthiness), ("continuity", one.continuity))
        ]
        only = " All of them have the same value, or none, at this rank." if len(set(one.lineages)) == 1 else ""
        said += f"<p>{escape(words)}; {' and '.join(values)}, of the {one.neighbours} nearest.{only}</p>"
    pages = [
        replace(
            one.page, small=small_pictures(one.page.pictures.texts("uri").to_pylist(), room=room // len(report.maps))
        )
        for one in report.maps
    ]
    inside = escape(map_page(pages, title="Map of the pictures"))
    rows = [[name, escape(METHODS[name].reads)] for name in ("map", "trustworthiness", "continuity")]
    return (
        f'<figure class=paper><iframe title="Map of the pictures" sandbox="allow-scripts allow-downloads" srcdoc="{inside}"></iframe>'
        f"<figcaption>{said}</figcaption></figure>"
        + pieces.closed("How to read a map", pieces.table(["", "what it says"], rows))
    )


def _not_measured(report: Report) -> str:
    if not report.not_measured:
        return "<p>Nothing: all ran.</p>"
    return "<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in report.not_measured) + "</ul>"


def _methods(report: Report) -> str:
    rows = [
        [name, escape(method.reads), pieces.better(method), f"<span class=formula>{escape(method.formula)}</span>", escape(method.source)]
        for name, method in methods_used(report).items()
    ]  # fmt: skip
    notes = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in GENERAL.items())
    table = pieces.table(["", "what it says", "better", "formula", "source"], rows)
    return pieces.closed("Words that hold for all numbers", f"<dl>{notes}</dl>") + pieces.closed("Each number", table)
