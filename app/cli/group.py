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
    "commit": "Put together what jobs embedded with --shard: the store then has the rows of one uninterrupted job.",
    "import": "Fill a store with vectors computed by other software, scaled to unit length.",
    "info": "Show what a store holds: encoder, pictures by rank, failures, index and jobs.",
    "verify": "Check a store for damaged files, lost rows, invalid vectors, duplicates and an index that does not fit.",
    "compact": "Write the small fragments of a store's tables together, so that it is read faster.",
    "delete": "Delete the rows of a store that meet every condition given.",
    "relabel": "Put corrected labels into a store, without encoding anything.",
    "export": "Write a store's rows and vectors to files, with licence and attribution of each picture.",
    "publish": "Make a collection of Qdrant or Milvus hold what a store holds, for search by many users or beyond one machine.",
    "index": "Build an index for fast search, and measure how often it finds what exact search finds.",
    "search": "Find the stored pictures most similar to a picture, a text, a stored picture, a taxon, or several of these.",
    "fit": "Learn a classifier from labelled pictures of a store or a folder of folders, for `predict --classifier`.",
    "predict": "Name the organisms on pictures, or on the pictures of a store.",
    "evaluate": "Score encoders by BioCLIP's protocols, with confidence intervals, next to published scores.",
    "taxonomy": "Build a backbone of names from published taxonomies, or look up what names mean in one.",
    "audit": "Find near-duplicates, leaks between splits, outliers and likely label errors.",
    "map": "Draw a map of the pictures: those that the encoder finds similar lie close together.",
    "probe": "Measure how well a store's vectors follow the tree of life, with confidence intervals and null models.",
    "report": "Write a page that opens offline: probes, differences between encoders and maps, explained in plain words.",
    "simulate": "Draw simulated organisms that evolved along a random tree, so that the true tree and ranks are known.",
    "train": "Train an encoder and export it as a checkpoint folder for --encoder; torchrun uses several GPUs.",
    "sources": "List the kinds of sources that `embed` and `predict` understand, and what each is recognised by.",
    "demo": "Simulate organisms, embed, index and search them, and draw the result as a contact sheet.",
    "doctor": "Show versions, devices and memory, for a problem report.",
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
