"""What the `cladescope` command calls. It loads the command line itself, so that Ctrl-C meanwhile ends in a line as well."""

import sys


def main() -> None:
    """Load the command line and run it on `sys.argv`."""
    try:
        from cladescope.app.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything was done\n")
        sys.exit(1)
    run()
