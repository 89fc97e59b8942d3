"""The SQL that LanceDB's filters read, written from a tree. What this cannot write, a condition cannot hold."""

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from cladescope.errors import InputError
from cladescope.index.literals import quote

MAX_DEPTH = 10
"""Brackets within brackets; the engine's time may triple with each (of `coalesce`), and its own limit is 50."""
FUNCTIONS = frozenset(
    {"lower", "upper", "btrim", "ltrim", "rtrim", "length", "char_length", "character_length", "strpos"}
    | {"starts_with", "ends_with", "contains", "regexp_like", "coalesce", "nullif"}
    | {"abs", "round", "floor", "ceil", "sqrt", "isnan", "date_part", "date_trunc", "to_timestamp", "now"}
    | {"array_has", "array_contains", "array_has_any", "array_has_all", "array_length", "cardinality", "make_array"}
)
"""Functions that a condition may call, by the names that DataFusion has for them: none makes a value longer than what it is
given."""
TYPES: Mapping[str, str] = {
    **{name: "STRING" for name in ("TEXT", "VARCHAR", "CHAR", "NVARCHAR", "NCHAR")},
    **{
        name: name
        for name in ("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP")
    },
}
"""Types of a CAST, by sqlglot's names."""
_SAME = {"trim": "btrim", "regexp_match": "regexp_like"}
"""Other names of functions; the engine itself takes `regexp_match` for a truth value, but warns on stderr."""
_OPERATORS: Mapping[type[exp.Expr], str] = {
    **{exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="},
    **{exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||"},
    **{exp.Like: "LIKE", exp.ILike: "ILIKE", exp.Is: "IS"},
}
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")


def render(tree: exp.Expr) -> str:
    """A condition in SQL. Raises InputError for a tree that holds anything but what is listed here.

    >>> render(exp.and_(exp.column("order").is_(exp.null()), exp.column("width") > 5))
    '`order` IS NULL AND `width` > 5'
    """
    return _sql(tree, 0)


def _sql(node: exp.Expr, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise InputError(f"its brackets are nested deeper than {MAX_DEPTH}")
    node = node.unnest()
    while isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.Not):
        node = node.this.unnest().this.unnest()
    if isinstance(node, exp.And | exp.Or):
        word = " AND " if isinstance(node, exp.And) else " OR "
        return word.join(_operand(part, depth, bare=_TRUTHS) for part in _flat(node))
    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        raise InputError("IS stands before NULL, TRUE or FALSE only")
    if (operator := _OPERATORS.get(type(node))) is not None:
        return f"{_operand(node.this, depth)} {operator} {_operand(node.expression, depth)}"
    if (write := _WRITERS.get(type(node))) is not None:
        return write(node, depth)
    raise InputError(f"{type(node).__name__.upper()} is not allowed in it")


def _operand(node: exp.Expr, depth: int, *, bare: tuple[type[exp.Expr], ...] = ()) -> str:
    """A part of an expression, in brackets unless it is one word or call, or of a kind that binds closely enough."""
    text = _sql(node, depth + 1)
    return text if isinstance(node.unnest(), (*_WORDS, *bare)) else f"({text})"


def _flat(node: exp.Expr) -> list[exp.Expr]:
    """What a chain of one operator joins, from left to right; a chain may be long, so nothing is called for each link."""
    kind, waiting, found = type(node), [node], []
    while waiting:
        part = waiting.pop().unnest()
        if type(part) is kind:
            waiting += [part.expression, part.this]
        else:
            found.append(part)
    return found


def _column(node: exp.Expr, depth: int) -> str:
    assert isinstance(node, exp.Column)
    names = [part.name for part in node.parts]
    if any("`" in name for name in names):
        raise InputError("a column's name holds a backtick")
    return ".".join(f"`{name}`" for name in names)


def _literal(node: exp.Expr, depth: int) -> str:
    if node.is_string:
        return quote(node.name)
    if not _NUMBER.fullmatch(node.name):
        raise InputError(f"{node.name!r} is no number")
    return node.name


def _negative(node: exp.Expr, depth: int) -> str:
    # Two signs side by side would begin a comment.
    number = _operand(node.this, depth)
    return f"-({number})" if number.startswith("-") else f"-{number}"


def _is_in(node: exp.Expr, depth: int) -> str:
    if set(_given(node)) != {"this", "expressions"}:
        raise InputError("IN takes a list of values in brackets")
    return f"{_operand(node.this, depth)} IN ({_listed(node, depth)})"


def _between(node: exp.Expr, depth: int) -> str:
    if set(_given(node)) != {"this", "low", "high"}:
        raise InputError("BETWEEN takes two values")
    low, high = (_operand(node.args[end], depth) for end in ("low", "high"))
    return f"{_operand(node.this, depth)} BETWEEN {low} AND {high}"


def _cast(node: exp.Expr, depth: int) -> str:
    to = node.args["to"]
    name = TYPES.get(to.this.name) if isinstance(to, exp.DataType) and not to.expressions else None
    if name is None or not set(_given(node)) <= {"this", "to", "safe"}:
        raise InputError(f"a CAST is to one of {', '.join(sorted(set(TYPES.values())))}")
    word = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
    return f"{word}({_sql(node.this, depth + 1)} AS {name})"


def _call(node: exp.Expr, depth: int) -> str:
    name = node.this.lower() if isinstance(node.this, str) else None
    name = _SAME.get(name or "", name)
    if name not in FUNCTIONS:
        raise InputError(f"it calls {node.name!r}, and may call only {', '.join(sorted(FUNCTIONS))}")
    return f"{name}({_listed(node, depth)})"


def _array(node: exp.Expr, depth: int) -> str:
    return f"make_array({_listed(node, depth)})"


def _element(node: exp.Expr, depth: int) -> str:
    if len(node.expressions) != 1 or not node.expressions[0].is_int:
        raise InputError("an element of a list is named by its number, from 1")
    return f"{_operand(node.this, depth)}[{_sql(node.expressions[0], depth + 1)}]"


def _listed(node: exp.Expr, depth: int) -> str:
    return ", ".join(_sql(part, depth + 1) for part in node.expressions)


def _given(node: exp.Expr) -> list[str]:
    return [name for name, value in node.args.items() if value]


_WRITERS: Mapping[type[exp.Expr], Callable[[exp.Expr, int], str]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: lambda node, depth: "TRUE" if node.this else "FALSE",
    exp.Null: lambda node, depth: "NULL",
    exp.Not: lambda node, depth: f"NOT {_operand(node.this, depth)}",
    exp.Neg: _negative,
    exp.In: _is_in,
    exp.Between: _between,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Anonymous: _call,
    exp.Array: _array,
    exp.Bracket: _element,
}
_WORDS = (
    *(exp.Column, exp.Literal, exp.Neg, exp.Boolean, exp.Null),
    *(exp.Cast, exp.TryCast, exp.Anonymous, exp.Array, exp.Bracket),
)
_TRUTHS = (*(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), *(exp.Like, exp.ILike, exp.Is, exp.In, exp.Between))
