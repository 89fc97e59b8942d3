"""Trees read from and written to Newick and Nexus files; `Tree` comes from `cladescope.phylogeny.tree`.

DendroPy (BSD licence) splits the text into words (`cladescope.phylogeny.words`) and quotes labels; the nodes are put together
here, without recursion. Of the libraries tried, it alone reads both formats, applies the rule for underscores and reads every
published file at hand. Its whole reader takes 7.5 s for a tree of 74,531 tips (this module: 2 s) and fails on one of 10,000
nested clades. Biopython (2.9 s) keeps underscores and refuses two of the files; scikit-bio (2.3 s) has no Nexus and takes 4 s
and 0.9 GB to import.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np

from cladescope.errors import InputError
from cladescope.files import write_text
from cladescope.phylogeny.tree import Tree
from cladescope.phylogeny.words import Words

__all__ = ["Tree", "format_newick", "format_nexus", "parse_newick", "parse_nexus", "read_tree", "write_tree"]

FORMATS: Final[Mapping[str, str]] = {
    **dict.fromkeys((".nwk", ".newick", ".tre", ".tree", ".phy"), "newick"),
    **dict.fromkeys((".nex", ".nexus"), "nexus"),
}
"""Format of a tree file by the end of its name."""

_SIGNS = frozenset("(),:;")
_QUOTED = r"""[()\[\]{}\\/,;:=*'"`+\-<>#\0]|[^\S ]"""
"""Characters that put a label in quotes: Nexus punctuation, and any white space but a blank."""
_FRESH, _CLOSED, _LABELLED, _MEASURED = range(4)
"""What was last read of a node: nothing, its children, its label, its length."""
_ALLOWED = ("'(', a label, ':', ", "a label, ':', ", "':', ", "")
"""What may come next within the node."""


def read_tree(path: Path | str, *, format: str | None = None) -> Tree:
    """The first tree of a file in UTF-8.

    `format` is "newick" or "nexus". Unless given, a file that begins with "#NEXUS" is Nexus whatever its
    name, and any other is read as the end of its name says, or as Newick.

    Raises InputError if the file is missing, not text, not a tree or cut short, or the format is unknown.
    """
    path = Path(path)
    if format is not None and format not in FORMATS.values():
        raise InputError(f"found format {format!r}, expected 'newick' or 'nexus'")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8, expected a Newick or Nexus tree") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}), expected a tree file") from error
    if not text.strip():
        raise InputError(f"{path} is empty, expected a Newick or Nexus tree")
    if format is None:
        is_nexus = text.lstrip()[:6].upper() == "#NEXUS"
        format = "nexus" if is_nexus else FORMATS.get(path.suffix.lower(), "newick")
    try:
        return parse_nexus(text) if format == "nexus" else parse_newick(text)
    except InputError as error:
        raise InputError(f"{path} is not a tree in {format.capitalize()} format: {error}") from error


def write_tree(tree: Tree, path: Path | str) -> None:
    """Write a tree in the format that the end of the file's name asks for (`FORMATS`).

    Raises InputError for another ending, or if the file cannot be written.
    """
    path = Path(path)
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        raise InputError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(FORMATS)}")
    text = format_nexus(tree) if format == "nexus" else format_newick(tree) + "\n"
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose a folder that exists") from error


def parse_newick(text: str) -> Tree:
    """The first tree of a text in Newick format; rows come in the order of the text.

    Underscores outside quotes are blanks; comments in square brackets are skipped; what follows the first
    ";" is not read. Time and memory grow with the text, whatever the depth of the tree.

    Raises InputError if the text is not a tree, with the line and column where it stops being one.

    >>> parse_newick("(Parus_major:1, 'a_b':2)Paridae;").label
    ('Paridae', 'Parus major', 'a_b')
    """
    words = Words(text)
    words.split_only_at(_SIGNS)
    return _read_nodes(words)


def parse_nexus(text: str) -> Tree:
    """The first tree of a text in Nexus format.

    Tips are renamed as the TRANSLATE command says, or from the TAXA block where they are numbers. Trees are
    read as rooted.

    Raises InputError if the text is not Nexus or holds no tree, with the line and column where it fails.

    >>> text = "#NEXUS BEGIN TREES; TRANSLATE 1 Parus_major, 2 b; TREE t = [&R] (1,2); END;"
    >>> parse_nexus(text).tip_labels
    ('Parus major', 'b')
    """
    words = Words(text)
    if words.next("'#NEXUS'").upper() != "#NEXUS":
        raise words.unexpected("'#NEXUS', with which a Nexus file begins")
    block = ""
    taxa: list[str] = []
    names: dict[str, str] = {}
    while True:
        match block, words.next("a TREES block that holds a tree").upper():
            case _, ";":
                continue
            case _, "BEGIN":
                block = words.next("the name of a block").upper()
            case "TAXA", "TAXLABELS":
                taxa = words.until(";")
                continue
            case "TREES", "TRANSLATE":
                names = _read_translation(words)
                continue
            case "TREES", "TREE" | "UTREE":
                words.until("=")
                words.split_only_at(_SIGNS)
                return _with_tips_named(_read_nodes(words), taxa, names=names)
        words.until(";")


def format_newick(tree: Tree) -> str:
    """The tree in Newick format, on one line; blanks become underscores, other odd labels are quoted.

    Lengths have as many digits as their exact value needs, and are left out where they are NaN.

    >>> format_newick(parse_newick("(Parus_major:1, 'a_b':2)Paridae;"))
    "(Parus_major:1.0,'a_b':2.0)Paridae;"
    """
    return _newick_of(tree, [_quoted(label) for label in tree.label])


def format_nexus(tree: Tree) -> str:
    """The tree in Nexus format: a TREES block in which tips are numbers and TRANSLATE gives their names."""
    words = [_quoted(label) for label in tree.label]
    entries: list[str] = []
    for row in tree.tips.tolist():
        if words[row]:
            entries.append(f"    {len(entries) + 1} {words[row]}")
            words[row] = str(len(entries))
    translation = "  TRANSLATE\n" + ",\n".join(entries) + ";\n" if entries else ""
    return f"#NEXUS\nBEGIN TREES;\n{translation}  TREE tree = [&R] {_newick_of(tree, words)}\nEND;\n"


def _read_nodes(words: Words) -> Tree:
    """The tree that ends at the next ";"."""
    parent, length, label = [-1], [float("nan")], [""]
    node, stage = 0, _FRESH

    def add_child(above: int) -> int:
        parent.append(above)
        length.append(float("nan"))
        label.append("")
        return len(parent) - 1

    while True:
        word = words.next("';' at the end of a tree")
        sign = words.sign
        if sign == "(" and stage == _FRESH:
            node = add_child(node)
        elif sign == "," and node:
            node, stage = add_child(parent[node]), _FRESH
        elif sign == ")" and node:
            node, stage = parent[node], _CLOSED
        elif sign == ":" and stage < _MEASURED:
            length[node], stage = _read_length(words), _MEASURED
        elif sign == ";" and not node and stage > _FRESH:
            return Tree(parent=np.array(parent), length=np.array(length), label=tuple(text or None for text in label))
        elif sign not in _SIGNS and stage < _LABELLED:
            label[node], stage = word, _LABELLED
        else:
            after = "',' or ')'" if node else "';'"
            hint = "" if sign in _SIGNS else " (a label with blanks or signs needs quotes)"
            raise words.unexpected(f"{_ALLOWED[stage]}{after}{hint}")


def _read_length(words: Words) -> float:
    word = words.next("a branch length")
    try:
        length = float(word)
    except ValueError:
        length = float("nan")
    if not isfinite(length):
        raise words.unexpected("a branch length, a number")
    return length


def _read_translation(words: Words) -> dict[str, str]:
    names: dict[str, str] = {}
    while True:
        key = words.next("a pair of names or ';'")
        if words.sign == ";":
            return names
        names[key] = words.next("a name")
        words.next("',' or ';'")
        if words.sign == ";":
            return names
        if words.sign != ",":
            raise words.unexpected("',' or ';' after a pair of names")


def _with_tips_named(tree: Tree, taxa: list[str], *, names: Mapping[str, str]) -> Tree:
    numbered = {str(number): name for number, name in enumerate(taxa, start=1)}
    known = {**numbered, **dict(zip(taxa, taxa, strict=True)), **names}
    label = list(tree.label)
    for row in tree.tips.tolist():
        label[row] = known.get(label[row] or "", label[row])
    return replace(tree, label=tuple(label))


def _quoted(label: str | None) -> str:
    from dendropy.dataio.nexusprocessing import escape_nexus_token

    return str(escape_nexus_token(label, protect_regex=_QUOTED))


def _newick_of(tree: Tree, words: list[str]) -> str:
    """Newick with each node under its word, which is quoted where that is needed."""
    starts, children = (array.tolist() for array in tree.children())
    lengths = ["" if length != length else f":{length!r}" for length in tree.length.tolist()]
    parts: list[str] = []
    waiting: list[int | str] = [0]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        below = children[starts[item] : starts[item + 1]]
        name = words[item] + lengths[item]
        if not below:
            parts.append(name)
            continue
        parts.append("(")
        waiting.append(")" + name)
        for child in reversed(below):
            waiting += [child, ","]
        waiting.pop()
    return "".join(parts) + ";"
