"""`cladescope verify`: check a store for damage."""

import typer

from cladescope.app.cli.options import CsvOption, JsonOption, StoreArgument, printed
from cladescope.app.cli.output import CsvTable, print_json, print_table, say


def verify(store: StoreArgument, csv: CsvOption = False, json: JsonOption = False) -> None:
    """Check a store for damaged files, lost rows, invalid vectors, duplicates and an index that does not fit.

    Reads every file and changes nothing. Exit status 1 means that something is wrong.

    Example: cladescope verify photos.store
    """
    from cladescope.app.verbs.verify import verify as check

    how = printed(csv=csv, json=json)
    found = check(store)
    if how.json:
        print_json(found.to_dict())
    elif how.csv:
        CsvTable(["check", "looked_at", "problem"]).add(
            {"check": one.name, "looked_at": one.looked_at, "problem": said}
            for one in found.checks
            for said in one.problems or ("",)
        )
    else:
        rows = [(one.name, one.looked_at, "; ".join(one.problems) or "sound") for one in found.checks]
        print_table(["check", "looked at", "found"], rows)
        for note in (note for one in found.checks for note in one.notes):
            say(f"note: {note}")
    if not found.is_sound:
        say(f"error: {store} is damaged: {len(found.problems)} problems: restore it from a copy, or embed anew")
        raise typer.Exit(1)
