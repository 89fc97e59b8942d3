"""What every verb does with its arguments before it starts.

Options given twice, empty paths and URLs for local paths are refused; arguments may come in either order; what is wrong is said on
one line.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from cladescope.app.cli.usage_words import choices_of, usage_words
from cladescope.paths import local_path
from cladescope.shown import shown


class Verb(TyperCommand):
    """A verb of the command line. What it may not decide in silence is refused here, for all verbs alike."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises BadParameter where an option that takes one value is given twice, for the last would win without a word;
        and where an option names a file that is not there or cannot be written; InputError for a URL where a path of this machine
        is expected.
        """
        args = self._choice_first(context, args)
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
        self._check_places(context, typed)
        self._store_first(context, typed)
        return rest

    def _check_places(self, context: Any, typed: Mapping[str, Any]) -> None:
        """Raise BadParameter where what an option names is not there, or cannot be written."""
        traces = bool(self._arguments) and context.params.get(self._arguments[0].name) == "trace"
        for option in self.params:
            paths = list(_paths(context.params.get(option.name))) if option.name in typed else []
            if paths and not (traces and option.name == "out"):  # trace only reads it
                from cladescope.app.cli.places import problem_of

                if problem := next(filter(None, (problem_of(option, path) for path in paths)), None):
                    raise typer.BadParameter(f"{option.opts[0]}: {problem}", ctx=context)

    def format_options(self, context: Any, formatter: Any) -> None:
        """The options in sections, those that matter most first."""
        from cladescope.app.cli.help_page import write_options

        write_options(self, context, formatter)

    @property
    def _arguments(self) -> list[Any]:
        return [one for one in self.params if one.param_type_name == "argument"]

    def _choice_first(self, context: Any, args: list[str]) -> list[str]:
        """The arguments with the word that says what is to be done, as `few-shot`, before the others."""
        words = choices_of(self._arguments[0]) if len(self._arguments) > 1 else []
        places = [place for place, word in enumerate(args) if word in words]
        if not places or args[0].startswith("-") or places[0] == 0:
            return args
        return [args[places[0]], *args[: places[0]], *args[places[0] + 1 :]]

    def _store_first(self, context: Any, typed: Mapping[str, Any]) -> None:
        """Put a store that was named after another argument before it."""
        if len(self._arguments) != 2 or self._arguments[0].name != "store":
            return
        first, second = self._arguments
        others = typed.get(second.name) or ()
        several = [others] if isinstance(others, str) else list(others)
        if not several:
            return
        from cladescope.app.verbs.given import is_store

        stores = [place for place, one in enumerate(several) if is_store(one)]
        if is_store(typed[first.name]) or len(stores) != 1:
            return
        store, several[stores[0]] = several[stores[0]], typed[first.name]
        context.params[first.name] = first.process_value(context, store)
        context.params[second.name] = second.process_value(context, several[0] if isinstance(others, str) else several)


_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Click's own UsageError, which Typer keeps under a private name."""


class _Misuse(_USAGE_ERROR):  # type: ignore[misc]
    """Wrong usage, told on one line."""

    def show(self, file: Any = None) -> None:
        """Print it, with the command that tells more."""
        told = self.ctx is None or "did you mean" in self.message.lower()
        more = "" if told else f" ({self.ctx.command_path} --help)"
        sys.stderr.write(f"error: {self.message}{more}\n")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What is said of wrong usage is one line in our words, and what it quotes of what was typed is shown, not interpreted."""
    try:
        yield
    except _Misuse:
        raise
    except _USAGE_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        raise _Misuse(shown(usage_words(error)), error.ctx) from error


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
