"""The verbs by name and line of help. The module of a verb is loaded when that verb is asked for, so that help is quick."""

import importlib
import keyword
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup

from cladescope.app.cli.command import Verb, one_line_errors

SECTIONS = {
    "Name pictures": {
        "predict": "Name the organisms on pictures, or on the pictures of a store.",
        "fit": "Learn a classifier from labelled pictures of a store or a folder of folders, for `predict --classifier`.",
        "suggest": "Propose which pictures to label next, so that few labels teach much.",
        "undo": "Turn back what `predict --sort-into` or `duplicates --move-to` did: every picture is where it was, links and copies are gone.",
    },
    "Keep pictures in a store, and find what looks alike": {
        "embed": "Embed pictures into a store.",
        "search": "Find the stored pictures most similar to a picture, a text, a stored picture, a taxon, or several of these.",
        "index": "Build an index for fast search, and measure how often it finds what exact search finds.",
        "info": "Show what a store holds: encoder, pictures by rank, failures, index and jobs.",
    },
    "Find what is wrong: duplicates, wrong labels, damage": {
        "duplicates": "Find pictures that are there twice: the same file, resized, saved anew, cropped, mirrored or recoloured.",
        "audit": "Find near-duplicates, leaks between splits, outliers and likely label errors.",
        "verify": "Check a store for damaged files, lost rows, invalid vectors, duplicates and an index that does not fit.",
    },
    "See a collection as a whole, and what an encoder knows": {
        "explore": "Look at a store, or a folder of pictures, in a page: map, tree of life and grid.",
        "map": "Draw a map of the pictures: those that the encoder finds similar lie close together.",
        "report": "Write a page that opens offline: probes, differences between encoders and maps, explained in plain words.",
        "probe": "Measure how well a store's vectors follow the tree of life, with confidence intervals and null models.",
        "evaluate": "Score encoders by BioCLIP's protocols or on published tasks, with confidence intervals, next to published scores.",
    },
    "Change a store": {
        "relabel": "Put corrected labels into a store, without encoding anything.",
        "delete": "Delete the rows of a store that meet every condition given.",
        "commit": "Put together what jobs embedded with --shard: the store then has the rows of one uninterrupted job.",
        "import": "Fill a store with vectors computed by other software, scaled to unit length.",
        "compact": "Write the small fragments of a store's tables together, so that it is read faster.",
    },
    "Take it elsewhere": {
        "pack": "Pack an encoder and its names into one file that names pictures without Cladescope: a field kit.",
        "export": "Write a store's rows and vectors to files, with licence and attribution of each picture.",
        "serve": "Serve stores over HTTP: a page to search and look at them, and the same for programs.",
        "share": "Write a read-only page of a store into a folder for any web server: map, tree of life, grid and small pictures.",
        "publish": "Make a collection of Qdrant or Milvus hold what a store holds, for search by many users or beyond one machine.",
    },
    "Train an encoder, its data, and names from taxonomies": {
        "train": "Train an encoder and export it as a checkpoint folder for --encoder; torchrun uses several GPUs.",
        "curate": "Build a data set for training from raw sources: names, filters, duplicates, splits, shards and a data card.",
        "taxonomy": "Build a backbone of names from published taxonomies, or look up what names mean in one.",
    },
    "Try it, and get help": {
        "demo": "Simulate organisms, embed, index and search them, and draw the result as a contact sheet.",
        "simulate": "Draw simulated organisms that evolved along a random tree, so that the true tree and ranks are known.",
        "sources": "List the kinds of sources that `embed` and `predict` understand, and what each is recognised by.",
        "doctor": "Show versions, devices and memory, for a problem report.",
    },
}
"""The verbs by the question that they answer, in the order of `--help`, each with the first sentence of its docstring."""
VERBS = {verb: told for section in SECTIONS.values() for verb, told in section.items()}
HELP = "help"


class Verbs(TyperGroup):
    """The command line's verbs."""

    def __init__(self, **settings: Any) -> None:
        """As Typer makes it; the commands are loaded one by one."""
        super().__init__(**settings)
        self.commands = _Commands()

    def format_commands(self, context: Any, formatter: Any) -> None:
        """The list of `--help`, without loading any verb."""
        listed = {verb for verbs in SECTIONS.values() for verb in verbs}
        further = {verb: told for verb, told in VERBS.items() if verb not in listed}
        for title, verbs in {**SECTIONS, **({"Further verbs": further} if further else {})}.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()), col_max=12)
        formatter.write_paragraph()
        formatter.write_text("What a verb takes: cladescope help VERB")

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """Read the options before the verb; `help VERB` is `VERB --help`."""
        if args[:1] == [HELP]:
            args = [*args[1:2], "--help"]
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
