"""The verbs by name and line of help. The module of a verb is loaded when that verb is asked for, so that help is quick."""

import importlib
import keyword
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup

from cladescope.app.cli.command import Verb, one_line_errors

VERBS = {
    "embed": "Embed pictures into a store.",
    "import": "Fill a store with vectors made elsewhere; they are scaled to unit length on the way in.",
    "info": "Show what a store holds: encoder, pictures by rank, failures, index and jobs.",
    "verify": "Check a store: files against hashes, rows against runs, vectors, pictures, and the index against the rows.",
    "index": "Build a store's index and measure how often it finds what the exact search finds.",
    "search": "Find the pictures nearest to a picture, several pictures, a text or a stored picture.",
    "fit": "Learn a classifier from a store's labelled pictures, to be used with `predict --classifier`.",
    "predict": "Name what is on pictures, or on those of a store without encoding them again.",
    "evaluate": "Score encoders by BioCLIP's protocols, with intervals, beside the published rows.",
    "audit": "Find near-duplicates, leaks between splits, outliers and likely label errors.",
    "map": "Draw a map of the pictures: near on the map, near for the encoder.",
    "probe": "Measure how a store's vectors follow the tree of life, with intervals and null models.",
    "report": "Write one page that opens offline: probes, differences and maps of a store, and in plain words what they say.",
    "simulate": "Evolve organisms along a random tree and draw them, so that the true tree and ranks are known.",
    "train": "Train an encoder, under torchrun on several GPUs, and export it as a checkpoint folder for --encoder.",
    "demo": "Simulate organisms, embed, index and search them, and say what was done and where the contact sheet lies.",
    "doctor": "Show versions, devices and memory, to put into a report of a problem.",
}
"""Each verb in the order of `--help`, with the first sentence of its docstring."""


class Verbs(TyperGroup):
    """The command line's verbs."""

    def __init__(self, **settings: Any) -> None:
        """As Typer makes it; the commands are loaded one by one."""
        super().__init__(**settings)
        self.commands = _Commands()

    def format_commands(self, context: Any, formatter: Any) -> None:
        """The list of `--help`, without loading any verb."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Read the options before the verb."""
        with one_line_errors():
            return super().parse_args(context, args)

    def invoke(self, context: Any) -> Any:
        """Run the verb."""
        with one_line_errors():
            return super().invoke(context)


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in VERBS:
                raise KeyError(name)
            self._made[name] = _load(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def _load(name: str) -> Any:
    """The command of a verb, from the file of its name; a name that Python keeps for itself, or hides, ends in `_`."""
    module = importlib.import_module(f"cladescope.app.cli.{name}{'_' * keyword.iskeyword(name)}")
    function = getattr(module, f"{name}_", None) or getattr(module, name)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, cls=getattr(module, "COMMAND", Verb))(function)
    return typer.main.get_command(alone)
