"""A user's own SQL condition, read as one expression over the columns of a store.

sqlglot parses it; `lance_sql` knows what a condition may hold and writes it anew for LanceDB. So the text itself reaches no
engine: it cannot end the brackets around it, run a second statement or call what a filter has no use for.
"""

import re
from difflib import get_close_matches
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import Dialect, exp, parser, tokens
from sqlglot.errors import SqlglotError

from cladescope.errors import InputError
from cladescope.index.lance_sql import render
from cladescope.index.literals import quote

MAX_LENGTH = 100_000
"""Characters of a condition; a long list of ids belongs into a file, not into a condition."""
MAX_TERMS = 1000
"""Comparisons joined by AND and OR; each costs the engine a level of depth, where IN takes any number of values."""
ROW_COLUMNS = ("_row_created_at_version", "_row_last_updated_at_version")
"""Columns that LanceDB keeps of every row."""


class LanceFilter(Dialect):
    """SQL as LanceDB's filters read it: names in backticks or double quotes, texts in single quotes, no escapes but ''."""

    class Tokenizer(tokens.Tokenizer):
        """Quotes."""

        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`", '"']
        QUOTES: ClassVar[list[str | tuple[str, str]]] = ["'"]
        STRING_ESCAPES: ClassVar[list[str]] = ["'"]

    class Parser(parser.Parser):
        """Functions by their own names, whatever other dialects call them."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")
        }
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}


def parse(where: str, schema: pa.Schema) -> exp.Expr:
    """The tree of a condition whose columns are those of `schema`, spelled as there; case makes no difference.

    Raises InputError for what is not one condition, for an unknown column, and for what a filter may not hold.

    >>> render(parse("genus = 'Parus' and Width between 1 and 9", pa.schema({"genus": pa.string(), "width": pa.int32()})))
    "`genus` = 'Parus' AND `width` BETWEEN 1 AND 9"
    """
    if len(where) > MAX_LENGTH:
        raise refusal(where, f"it has {len(where):,} characters, {MAX_LENGTH:,} are allowed")
    try:
        tree = _parsed(where)
        if sum(1 for _ in tree.find_all(exp.And, exp.Or)) >= MAX_TERMS:
            raise refusal(where, f"it joins more than {MAX_TERMS:,} comparisons: use IN for a list of values")
        tree = tree.transform(_resolved, where, schema, copy=False)
        _check(tree, where)
    except RecursionError:
        raise refusal(where, "its brackets are nested too deep") from None
    except SqlglotError as error:
        raise refusal(where, _reason(error), advice=_with_quotes(where, schema)) from None
    return tree


def _with_quotes(where: str, schema: pa.Schema) -> str | None:
    """A condition such as `species = Parus major`, with the quotes that its text lacks; None for another."""
    found = re.fullmatch(r"\s*(\w+)\s*(=|==|<>|!=)\s*([^\W\d][\w.-]*(?: [\w.-]+)+)\s*", where)
    if found is None or (column := _spelled(found[1], schema.names)) is None:
        return None
    return f"{column} {'=' if '!' not in found[2] and '>' not in found[2] else '<>'} {quote(found[3])}"


def refusal(where: str, reason: str, *, advice: str | None = None) -> InputError:
    """The error for a condition that cannot be used, on one line; `advice` is the condition that was meant.

    >>> print(refusal("genus = ", "it ends early"))
    the condition 'genus = ' is not a condition in SQL (it ends early): write for instance "genus = 'Parus' AND width > 500"
    """
    example = (
        "for instance \"genus = 'Parus' AND width > 500\"" if advice is None else f"{advice}, a text in single quotes"
    )
    return InputError(f"the condition {shown(where)} is not a condition in SQL ({reason}): write {example}")


def shown(where: str) -> str:
    """A condition in quotes, cut where it is long."""
    return repr(where if len(where) <= 200 else f"{where[:200]}…")


def _parsed(where: str) -> exp.Expr:
    dialect = LanceFilter()
    words = dialect.tokenize(where)
    if not words or any(word.comments for word in words):
        raise refusal(where, "it holds a comment" if words or where.strip() else "it is empty")
    if any(word.token_type.name == "SEMICOLON" for word in words):
        raise refusal(where, "a semicolon ends it: give one condition")
    (tree,) = dialect.parser().parse_into(exp.Condition, words, where)
    if tree is None:
        raise refusal(where, f"nothing is said at {words[0].text!r}")
    return tree


def _check(tree: exp.Expr, where: str) -> None:
    """Raise InputError for what a condition may not hold."""
    try:
        render(tree)
    except InputError as error:
        raise refusal(where, str(error)) from None


def _resolved(node: exp.Expr, where: str, schema: pa.Schema) -> exp.Expr:
    """A column under its own spelling, every part in quotes; anything else as it is."""
    if not isinstance(node, exp.Column):
        return node
    parts = [part.name for part in node.parts]
    names = [*schema.names, *ROW_COLUMNS]
    first = _spelled(parts[0], names)
    if first is None:
        if (advice := _meant_as_text(node, names)) is not None:
            raise InputError(
                f"{parts[0]!r} in the condition {shown(where)} is no column: a text stands in single quotes, write {advice}"
            )
        listed = ", ".join(name for name in schema.names if name != "vector")
        near = get_close_matches(parts[0].lower(), schema.names, n=1)
        meant = f"did you mean {near[0]!r}? The" if near else "the"
        raise InputError(f"no column {parts[0]!r} in the condition {shown(where)}: {meant} store has {listed}")
    type_ = schema.field(first).type if first in schema.names else pa.int64()
    found = [first]
    for part in parts[1:]:
        inner = [type_.field(place).name for place in range(type_.num_fields)] if pa.types.is_struct(type_) else []
        field = _spelled(part, inner)
        if field is None:
            raise InputError(
                f"no field {part!r} of column {first!r} in the condition {shown(where)}: it has {inner or 'none'}"
            )
        type_ = type_.field(field).type
        found.append(field)
    return exp.column(*(exp.to_identifier(part, quoted=True) for part in reversed(found)))


def _meant_as_text(node: exp.Column, names: list[str]) -> str | None:
    """The comparison of a column with a text that lacks its quotes, as in `species = Aves`, as it should be; None for another."""
    parent = node.parent
    if not isinstance(parent, exp.EQ | exp.NEQ | exp.Like) or len(node.parts) > 1:
        return None
    other = parent.this if node is parent.expression else None
    if not isinstance(other, exp.Column) or _spelled(other.name, names) is None:
        return None
    sign = {exp.EQ: "=", exp.NEQ: "<>"}.get(type(parent), "LIKE")
    return f"{other.name} {sign} {quote(node.name)}"


def _spelled(name: str, names: list[str]) -> str | None:
    if name in names:
        return name
    alike = [other for other in names if other.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _reason(error: SqlglotError) -> str:
    """What the parser found, and where; of cutting the text into words it says no more than that it could not."""
    found = getattr(error, "errors", None)
    if not found:
        return "a quotation mark or a comment is left open"
    text = str(found[0]["description"]).partition(" for <class")[0].rstrip(".")
    near = f"{found[0]['start_context'] or ''}{found[0]['highlight'] or ''}"[-20:]
    return f"{text} at {near!r}" if near.strip() else text
