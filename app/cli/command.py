"""What every verb does with its arguments before it starts: options given twice and URLs for local paths are refused."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from cladescope.app.cli.usage_words import usage_words
from cladescope.paths import local_path
from cladescope.shown import shown


class Verb(TyperCommand):
    """A verb of the command line. What it may not decide in silence is refused here, for all verbs alike."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises BadParameter where an option that takes one value is given twice, for the last would win without a word;
        InputError for a URL where a path of this machine is expected.
        """
        typed, _, order = self.make_parser(context).parse_args(args=list(args))
        given = Counter(one.opts[0] for one in order if one.param_type_name == "option" and _takes_one(one))
        if twice := next((name for name, times in given.items() if times > 1), None):
            raise typer.BadParameter(f"{twice} is given {_times(given[twice])}, expected once", ctx=context)
        rest = super().parse_args(context, args)
        for name, value in context.params.items():
            if typed.get(name) == "" and isinstance(value, Path):
                raise typer.BadParameter("found '' for a path: name a file or folder", ctx=context)
            for path in _paths(value):
                local_path(path)
        return rest


_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Click's own UsageError, which Typer keeps under a private name."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What is said of wrong usage is in our words, and what it quotes of what was typed is shown, not interpreted."""
    try:
        yield
    except _USAGE_ERROR as error:
        error.message = shown(usage_words(error))
        raise


def _takes_one(option: Any) -> bool:
    return not option.multiple and not option.is_flag and not option.count


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _paths(one)
