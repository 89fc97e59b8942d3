"""`cladescope sources`: the kinds of sources that are understood."""

from cladescope.app.cli.options import CsvOption, JsonOption, printed
from cladescope.app.cli.output import CsvTable, print_json, print_table


def sources(csv: CsvOption = False, json: JsonOption = False) -> None:
    """List the kinds of sources that `embed` and `predict` understand, and what each is recognised by.

    Example: cladescope sources
    """
    from cladescope.app.verbs import sources as verb

    how = printed(csv=csv, json=json)
    doors = verb.sources()
    if how.json:
        print_json({"sources": [door._asdict() for door in doors]})
        return
    if how.csv:
        CsvTable(["source", "recognised_by", "marks"]).add(
            {"source": door.name, "recognised_by": door.known_by, "marks": "; ".join(door.marks)} for door in doors
        )
        return
    rows = [(door.name, door.known_by, ", ".join(door.marks)) for door in doors]
    print_table(["source", "recognised by", "columns or files"], rows)
