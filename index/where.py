"""A user's own SQL condition, read as one expression over the columns of a store.

sqlglot parses it; `lance_sql` knows what a condition may hold and writes it anew for LanceDB. So the text itself reaches no
engine: it cannot end the brackets around it, run a second statement or call what a filter has no use for.
"""

from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import Dialect, exp, parser, tokens
from sqlglot.errors import SqlglotError

from cladescope.errors import InputError
from cladescope.index.lance_sql import render

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
        raise refusal(where, _reason(error)) from None
    return tree


def refusal(where: str, reason: str) -> InputError:
    """The error for a condition that cannot be used, on one line.

    >>> print(refusal("genus = ", "it ends early"))
    the condition 'genus = ' is not a condition in SQL (it ends early): write for instance "genus = 'Parus' AND width > 500"
    """
    return InputError(
        f"the condition {shown(where)} is not a condition in SQL ({reason}): "
        "write for instance \"genus = 'Parus' AND width > 500\""
    )


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
        listed = ", ".join(name for name in schema.names if name != "vector")
        raise InputError(f"no column {parts[0]!r} in the condition {shown(where)}: the store has {listed}")
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
