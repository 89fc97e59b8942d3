"""The mutants of a source file: one comparison, operator or constant changed by mutmut's operators.

Left out is what changes no result: annotations, docstrings and other strings, decorators, messages of errors and of the log, and whether `zip` checks
that what it joins is of one length.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation import mutators

OPERATORS = {
    mutators.operator_number,
    mutators.operator_name,
    mutators.operator_keywords,
    mutators.operator_swap_op,
    mutators.operator_remove_unary_ops,
    mutators.operator_augmented_assignment,
    mutators.operator_if_exp,
}
"""Of mutmut's operators those that change a comparison, an operator or a constant; others drop arguments, or write None for a value."""


@dataclass(frozen=True)
class Mutant:
    """A source file with one place changed."""

    file: str
    """Path from the root of the repository."""
    function: str
    """Dotted name of the function or class, empty for the module's own lines."""
    line: str
    """The first line that differs, without its indent; `mutated` is what it became."""
    mutated: str
    number: int
    """Of the line, from 1."""
    source: str
    """The whole mutated file."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the mutant in later versions of the file, too."""
        return self.file, self.function, self.line, self.mutated


class _Changes(cst.CSTVisitor):
    """Collects each node that an operator changes: where it stands, and what it becomes."""

    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[CodeRange, cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Raise | cst.ImportFrom | cst.Import) or _speaks(node):
            return False
        if isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value == "strict":
            return False
        for kind, operator in mutators.mutation_operators:
            if operator in OPERATORS and isinstance(node, kind):
                place = self.get_metadata(WhitespaceInclusivePositionProvider, node)
                self.found += [(place, node, changed) for changed in operator(node)]
        return True


def _speaks(node: cst.CSTNode) -> bool:
    """Whether it makes an error's message or a line of the log."""
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Attribute):
        return isinstance(node.func.value, cst.Name) and node.func.value.value in ("logger", "warnings")
    return isinstance(node.func, cst.Name) and node.func.value.endswith("Error")


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """All mutants of a file, from its first line to its last.

    >>> [mutant.mutated for mutant in mutants_of("a.py", "LEAST = 2\\n")]
    ['LEAST = 3']
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    changes = _Changes()
    wrapper.visit(changes)
    places = Places(ast.parse(source))
    lines = source.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    for place, node, changed in changes.found:
        start, before = starts[place.start.line - 1] + place.start.column, wrapper.module.code_for_node(node)
        if source.startswith(before, start):
            mutated = source[:start] + wrapper.module.code_for_node(changed) + source[start + len(before) :]
        else:  # a node of several lines, which alone has another indent: found in the whole tree, slowly
            mutated = wrapper.module.deep_replace(node, changed).code
        after = mutated.splitlines(keepends=True)
        i = next((i for i, (one, other) in enumerate(zip(lines, after, strict=False)) if one != other), None)
        if i is not None:
            yield Mutant(file, places.function(i + 1), lines[i].strip(), after[i].strip(), i + 1, mutated)


class Places:
    """Of each line its function, and the lines that run with it."""

    def __init__(self, tree: ast.Module) -> None:
        self._functions: dict[int, str] = {}
        self._outer: dict[int, str] = {}
        self._together: dict[int, range] = {}
        self._note(tree.body, "", "")

    def function(self, line: int) -> str:
        """Dotted name of the innermost function or class around a line; empty for the module's own."""
        return self._functions.get(line, "")

    def outer(self, line: int) -> str:
        """Dotted name of the outermost function in whose body a line is; empty for a line that runs on import, such as a default."""
        return self._outer.get(line, "")

    def together(self, line: int) -> range:
        """The lines of which a tracer may name another than this when the statement runs."""
        return self._together.get(line, range(line, line + 1))

    def _note(self, body: Sequence[ast.AST], name: str, outer: str) -> None:
        for node in body:
            if isinstance(node, ast.ExceptHandler | ast.match_case):
                self._note(node.body, name, outer)
                continue
            assert isinstance(node, ast.stmt)
            last = node.end_lineno or node.lineno
            inner = [
                child
                for child in ast.iter_child_nodes(node)
                if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
            ]
            first_inner = min(map(_first_line, inner), default=last + 1)
            own, body_of = name, outer
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own = f"{name}.{node.name}".lstrip(".")
                if not isinstance(node, ast.ClassDef):
                    body_of = outer or own
            for line in range(node.lineno, last + 1):
                self._functions[line] = own
                self._outer[line] = body_of if line >= first_inner or not inner else outer
                self._together[line] = range(node.lineno, max(first_inner, line + 1))
            self._note(inner, own, body_of)


def _first_line(node: ast.AST) -> int:
    return node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno  # type: ignore[attr-defined]


def sources(rooms: Iterable[str], root: Path) -> list[str]:
    """The files of rooms, or files themselves, as paths from the root."""
    found = []
    for room in rooms:
        path = root / room
        found += sorted(str(each.relative_to(root)) for each in path.glob("*.py")) if path.is_dir() else [room]
    return found
