"""How answers about pictures are printed: as lines, CSV or JSON, as they come."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cladescope.app.cli.output import CsvTable, json_text, print_line
from cladescope.steps import counted

if TYPE_CHECKING:
    from cladescope.analysis.classify.answers import Prediction
    from cladescope.analysis.classify.naming import Predictions
    from cladescope.app.cli.options import Printed


WORD = len("almost sure")


def write(predictions: "Predictions", how: "Printed", *, after: Callable[[], Mapping[str, object]]) -> int:
    """Print answers as they come, then do what comes `after`, which a JSON document tells too; the number of pictures."""
    from cladescope.analysis.classify.naming import WHEN_AND_WHERE

    written = 0
    table: CsvTable | None = None
    # On a terminal the answers themselves say how far it is.
    pictures = predictions.pictures()
    for picture in pictures if sys.stdout.isatty() else counted(pictures, "naming"):
        if picture.problem is not None:
            continue
        name, found = picture.name, picture.answers
        if how.csv:
            table = table or CsvTable(
                ["file_name", *predictions.columns, *WHEN_AND_WHERE, *predictions.made_by], safe=how.safe_csv
            )
            table.add({"file_name": name, **row, **picture.tags, **predictions.made_by} for row in found)
        elif how.json:
            document = json_text({"file_name": name, **picture.tags, "answers": found})
            sys.stdout.write(('{"predictions": [\n' if not written else ",\n") + document)
        else:
            _show(name, found)
        written += 1
    done = after()
    if how.json and written:
        said = [as_options(line) for line in (*predictions.notes, *predictions.why)]
        end = json_text({"made_by": predictions.made_by, "said": said, "failures": predictions.failures, **done})
        sys.stdout.write(f"\n], {end[1:]}\n")
    return written


def as_options(line: str) -> str:
    """A sentence of `Predictions` with its settings spelt as on the command line.

    >>> as_options("none at a risk of 0.1: try risk 0.2 or closed_set")
    'none at a risk of 0.1: try --risk 0.2 or --closed-set'
    """
    return re.sub(r"\b(risk|doubt) (?=[\d.]+\d)", r"--\1 ", line).replace("closed_set", "--closed-set")


def _show(name: str, found: "list[Prediction]") -> None:
    """A picture's answers as lines: score, the same in words, and name."""
    from cladescope.analysis.classify.said import NAMED, name_said, sureness

    print_line(name.removeprefix(f"{Path.cwd()}/"))
    for row in found:
        if row["verdict"] != NAMED:
            print_line(f"  {row['verdict']}  (nearest guess: {row['nearest']}, {row['nearest_score']:.4f})")
            continue
        common = f" ({row['common_name']})" if row.get("common_name") not in (None, "", name_said(row)) else ""
        near = f"  (nearest guess: {row['nearest']}, {row['nearest_score']:.4f})" if row.get("nearest") else ""
        print_line(f"  {row['score']:.4f}  {sureness(float(row['score'])):<{WORD}}  {name_said(row)}{common}{near}")
