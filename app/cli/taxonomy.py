"""`cladescope taxonomy`: a backbone of names, and what names mean in it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cladescope.app.cli.options import CsvOption, JsonOption, OverwriteOption, Printed, printed
from cladescope.app.cli.output import CsvTable, print_json, print_line, print_table, say

if TYPE_CHECKING:
    from cladescope.taxonomy.backbone import Backbone
    from cladescope.taxonomy.backbone_match import Match

SUGGESTED = 20
"""Unknown names that are shown with the nearest ones."""


class ActionName(StrEnum):
    """What is done."""

    BUILD = "build"
    MATCH = "match"
    TRACE = "trace"


def taxonomy(
    action: Annotated[ActionName, typer.Argument(metavar="ACTION", help="build, match or trace.")],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|NAME|ID...",
            help="build: Taxon.tsv, VernacularName.tsv or a zip of them, tables with ranks, a checklists' crosswalk. "
            "match: names, or files of them. trace: image ids.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="build: new folder for the backbone.")] = None,
    backbone: Annotated[Path | None, typer.Option(metavar="DIR", help="match: a folder that build made.")] = None,
    release: Annotated[
        str | None, typer.Option(help="build: what the backbone is called.", show_default="the files' names")
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="CODE", help="build: language of common names, such as en or deu.")
    ] = "en",
    store: Annotated[Path | None, typer.Option(metavar="DIR", help="trace: the store of the pictures.")] = None,
    conflicts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="match: write the names that are not sure, or have other ranks above; an earlier list is replaced.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """Build a backbone of names from published taxonomies, or look up what names mean in one.

    Synonyms lead to accepted names. Taxa of one name are told apart by the rest of a lineage. Misspelt names are shown with the
    nearest ones, and never replaced. trace tells how the labels of stored pictures came about.

    Example: cladescope taxonomy match "Parus ater" "Plantae > Oenanthe" --backbone backbone
    """
    how = printed(csv=csv, json=json)
    if csv and action is ActionName.BUILD:
        raise typer.BadParameter("--csv is of match and trace: build makes a folder")
    from cladescope.app.verbs.backbone import backbone as run
    from cladescope.taxonomy.backbone import Backbone
    from cladescope.taxonomy.backbone_match import Match

    found = run(
        action.value,
        names,
        out=out,
        overwrite=overwrite,
        backbone=backbone,
        release=release,
        language=language,
        store=store,
        conflicts=conflicts,
    )
    if isinstance(found, Backbone):
        if json:
            print_json(found.description)
        else:
            print_line(
                f"{found.description['names']:,} names, {found.description['synonyms']:,} of them synonyms: {found.path}"
            )
            for what, n in found.description["counts"].items():
                say(f"{what}: {n:,}")
        return
    if action is ActionName.TRACE:
        traced = [one for one in found if isinstance(one, dict)]
        if json:
            print_json({"pictures": traced})
            return
        if csv:
            CsvTable(list(dict.fromkeys(name for one in traced for name in one))).add(traced)
            return
        for one in traced:
            print_table(["", str(one["image_id"])], [(part, value) for part, value in one.items() if value])
        return
    _show([match for match in found if isinstance(match, Match)], Backbone.open(backbone or Path()), how)


def _show(found: "list[Match]", opened: "Backbone", how: Printed) -> None:
    """What names mean, with the nearest names of those that are not known."""
    unknown = [match.asked for match in found if match.status == "unknown"][:SUGGESTED]
    near = {name: opened.suggestions(name) for name in dict.fromkeys(unknown)}
    if how.is_machine:
        rows = [match.to_dict() | {"near": near.get(match.asked, [])} for match in found]
        if how.json:
            print_json({"release": opened.release, "hash": opened.hash, "matches": rows})
            return
        flat = [
            {
                **row,
                "others": "; ".join(" > ".join(filter(None, one)) for one in row["others"]),
                "differs": "; ".join(row["differs"]),
                "near": "; ".join(row["near"]),
            }
            for row in rows
        ]
        CsvTable(list(flat[0]) if flat else ["asked"]).add(flat)
        return
    table = []
    for match in found:
        others = "; ".join(" > ".join(filter(None, ranks)) for ranks in match.others)
        note = others or (f"did you mean {', '.join(near[match.asked])}?" if near.get(match.asked) else "")
        note = note or (f"another {', '.join(match.differs)}" if match.differs else "")
        table.append((match.asked, match.status, " > ".join(filter(None, match.ranks)), note))
    print_table(["name", "status", "taxon", "note"], table, spare=["note"])
    counts = {
        status: sum(match.status == status for match in found) for status in dict.fromkeys(m.status for m in found)
    }
    say(f"{opened.release}: " + ", ".join(f"{n:,} {status}" for status, n in counts.items()))
