"""Write docs/command-line.md from the code, the help of every verb, and docs/api.md (`write_api`). `--print` writes the first to stdout instead."""

import sys
from pathlib import Path

from typer.testing import CliRunner

from cladescope.app.cli import VERBS, app

HEAD = """# The command line

Written from the code by `make docs`. Results go to stdout, messages and progress to stderr; `--json` prints one JSON document.
Names are shown literally: a control character in a name is printed as an escape such as `\\x1b`. `--csv` writes names unchanged;
`--safe-csv` puts an apostrophe before those that a spreadsheet would read as a formula.
Steps that last say how far they are, on stderr: bars on a terminal, a line every ten seconds elsewhere; `--quiet` leaves that out.
Exit status: 0 success, 1 failure (one line says why; `--debug` shows where), 2 wrong usage,
75 stopped, or the store is in use: the same command goes on later ([for schedulers](pipeline.md#exit-status)).
"""


def page() -> str:
    """The whole page, at a width that no terminal changes."""
    parts = [HEAD]
    for verb in VERBS:
        shown = CliRunner().invoke(app, [verb, "--help"], prog_name="cladescope", terminal_width=100)
        assert shown.exit_code == 0
        parts.append(f"## {verb}\n\n```text\n{shown.stdout.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(page())
    else:
        Path(__file__).with_name("command-line.md").write_text(page())
        import write_api  # beside this file; a folder of scripts is no package

        write_api.write()
