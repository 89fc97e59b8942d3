"""What the `cladescope` command calls. It loads the command line itself, so that Ctrl-C meanwhile ends in a line as well.

Loading an encoder makes some 400,000 objects that stay to the end. Python would look through them for garbage again
and again while they come, and once more at the exit: 1.3 of the 4.2 seconds of a search with `tiny`, as measured.
"""

import atexit
import gc
import os
import signal
import sys
from types import FrameType

AGAIN = 75
"""Exit status of what a signal stopped, as in `app.cli.statuses`, which is not loaded yet."""


def main() -> None:
    """Load the command line and run it on `sys.argv`."""
    gc.set_threshold(10_000, 10, 10)
    atexit.register(gc.freeze)
    try:
        _end_as_by_ctrl_c()
        from cladescope.app.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything was done\n")
        sys.exit(AGAIN)
    run()


def _end_as_by_ctrl_c() -> None:
    """Have SIGTERM and SIGHUP end this process as Ctrl-C does, in a line and with `AGAIN`; those that it was started to ignore stay ignored."""
    this = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != this:  # a process that was forked from this one ends as it would
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, interrupt)
