"""The command line, one file per command. Results go to stdout, messages to stderr; exit status 0 success, 1 failure, 2 usage,
75 where the same command goes on later (`statuses`)."""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, NoReturn, TextIO

import typer

import cladescope
from cladescope.app.cli.group import VERBS, Verbs
from cladescope.app.cli.statuses import AGAIN, FAILED, status_of
from cladescope.errors import CladescopeError, ConfigError, TakenError
from cladescope.packages import is_known, not_installed
from cladescope.shown import shown
from cladescope.steps import Tell, listening

__all__ = ["VERBS", "app", "main"]

app = typer.Typer(
    name="cladescope",
    cls=Verbs,
    help="Vector search over images of organisms: embed pictures, search and name them, and see what an encoder knows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"cladescope {cladescope.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and detailed logs.")] = False,
    silent: Annotated[
        bool, typer.Option("--quiet", help="Do not say how far it is; what was left out or assumed is still said.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of every verb."""


INTERRUPTED = 130
"""Typer's exit status for Ctrl-C."""


def main() -> None:
    """Run the command line on `sys.argv`. `--debug` and `--quiet` may stand anywhere."""
    arguments = sys.argv[1:]
    debug, silent = "--debug" in arguments, "--quiet" in arguments
    rest = [argument for argument in arguments if argument not in ("--debug", "--quiet")]
    level = logging.DEBUG if debug else logging.WARNING if silent else logging.INFO
    try:
        with _logs_on_stderr(level), contextlib.nullcontext() if silent else listening(_told):
            _run(rest, debug=debug)
    finally:
        _drop(sys.stderr)


def _told(words: str, total: int | None) -> AbstractContextManager[Tell]:
    from cladescope.app.cli.progress import told  # loads Rich, which help does not need

    return told(words, total)


def _run(arguments: list[str], *, debug: bool) -> None:
    try:
        try:
            app(args=arguments, prog_name="cladescope")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except SystemExit as done:
        if done.code != INTERRUPTED:
            raise
        # Threads may be in the midst of an encoder or a decoder; they would hold up an orderly end, or spoil it.
        _leave("error: interrupted: what was committed is kept, run the same command again", status=AGAIN)
    except TakenError as error:
        _fail(f"error: {error} (--overwrite)", debug=debug)
    except ConfigError as error:
        _fail(*(f"error: {one}" for one in error.problems), debug=debug, status=status_of(error))
    except CladescopeError as error:
        _fail(f"error: {error}", debug=debug, status=status_of(error))
    except BrokenPipeError:
        _drop(sys.stdout)
        sys.exit(1)
    except OSError as error:
        _drop(sys.stdout)
        if (
            error.errno == errno.ENOSPC and not error.filename
        ):  # of a file that has no name here, and stdout is the likeliest
            _fail(
                "error: no space left for the output, or a temporary file: what was committed is kept (--debug shows where)",
                debug=debug,
            )
        place = f": {error.filename}" if error.filename else ""
        _fail(f"error: {error.strerror or error}{place} (--debug shows where)", debug=debug)
    except MemoryError:
        _fail("error: out of memory: use a smaller --batch-size or fewer --workers", debug=debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a traceback
        if isinstance(error, ModuleNotFoundError) and error.name is not None and is_known(error.name):
            _fail(f"error: {not_installed(error.name)}", debug=debug)
        first = (str(error).strip() or type(error).__name__).partition("\n")[0]
        _fail(
            f"error: {type(error).__name__}: {first} (unexpected: run again with --debug and report what it shows)",
            debug=debug,
        )


def _leave(message: str, *, status: int) -> NoReturn:
    """Say a last line and end the process at once, whatever its threads do."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(shown(message) + "\n")
        sys.stderr.flush()
    os._exit(status)


def _drop(stream: TextIO | None) -> None:
    """Where a stream takes no more, drop what is still buffered: Python would complain of it at its end."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        assert stream is not None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _fail(*messages: str, debug: bool, status: int = FAILED) -> None:
    if debug:
        raise
    with contextlib.suppress(OSError):
        sys.stderr.write("".join(f"{shown(one)}\n" for one in messages))
    sys.exit(status)


class _OneLine(logging.Formatter):
    """A message as one line in which names are data; a traceback below it stays as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the library's
        return shown(super().formatMessage(record))


@contextmanager
def _logs_on_stderr(level: int) -> Iterator[None]:
    """Our own log lines go to stderr, and those of libraries nowhere unless `level` is DEBUG."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(message)s"))
    ours, root = logging.getLogger("cladescope"), logging.getLogger()
    # What libraries log comes back as the text of an error, or is of no use to a user.
    theirs = logging.StreamHandler() if level == logging.DEBUG else logging.NullHandler()
    before = ours.level, ours.propagate
    ours.addHandler(handler)
    root.addHandler(theirs)
    ours.setLevel(level)
    ours.propagate = False
    try:
        yield
    finally:
        ours.removeHandler(handler)
        root.removeHandler(theirs)
        ours.setLevel(before[0])
        ours.propagate = before[1]
