"""SQL conditions over the rows of a store: clades, ids and a user's own, joined as a tree."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool
from sqlglot import exp

from cladescope.index.files import one_line
from cladescope.index.lance_sql import render
from cladescope.index.where import parse, refusal
from cladescope.index.where_values import Values, with_meant_values
from cladescope.taxonomy import RANKS, Taxon

_USERS_FAULT = re.compile(
    r"(?:Invalid user input: |Invalid input, |Error during planning: )(?!.*Invalid user input: )(.*)"
)


def condition(
    schema: pa.Schema,
    *,
    taxa: Sequence[Taxon] | None = None,
    where: str | None = None,
    image_ids: Collection[str] | None = None,
    spellings: Callable[[str], Sequence[str]] = lambda name: (name,),
    values: Values | None = None,
) -> str | None:
    """The SQL for rows that meet every condition given; None where none is.

    `taxa` are a union of clades; `spellings` gives the ways in which the rows write a name, as `Taxonomy.spellings` of a store
    does, `values` what texts in `where` mean. Raises InputError for a `where` that is not one condition over the columns of `schema`.

    >>> bird = Taxon(("Animalia", None, "Aves"))
    >>> condition(pa.schema({"width": pa.int32()}), taxa=[bird], where="width > 5 OR width IS NULL")
    "`kingdom` = 'Animalia' AND `phylum` IS NULL AND `class` = 'Aves' AND (`width` > 5 OR `width` IS NULL)"
    """
    trees = [
        None if taxa is None else _in_clades(taxa, spellings),
        None
        if where is None
        else parse(where, schema)
        if values is None
        else with_meant_values(parse(where, schema), values),
        None if image_ids is None else _column("image_id").isin(*image_ids, copy=False),
    ]
    given = [tree for tree in trees if tree is not None]
    return render(exp.and_(*given, copy=False)) if given else None


def check_types(images: Any, where: str, condition: str) -> None:
    """Plan a condition over a LanceDB table without reading a row, so that a fault of the user's is known from damage.

    Raises InputError where types do not fit, as in `genus > 5`, or the whole is neither true nor false.
    """
    try:
        images.search().where(condition).explain_plan()
    except (RuntimeError, ValueError) as error:
        if (found := _USERS_FAULT.search(one_line(error))) is None:
            raise
        raise refusal(where, found.group(1).strip("() ")[:200]) from error


def rows_in_clades(
    table: pa.Table, taxa: Sequence[Taxon], spellings: Callable[[str], Sequence[str]]
) -> Bool[np.ndarray, " n"]:
    """Whether each row of a table in memory, which has a column a rank, is in one of some clades: what `condition` says of them in SQL.

    >>> names = pa.table({rank: [rank, rank] for rank in RANKS} | {"genus": ["Parus", None]})
    >>> rows_in_clades(names, [Taxon(("kingdom", "phylum", "class", "order", "family", "Parus"))], lambda name: (name,)).tolist()
    [True, False]
    """
    found = np.zeros(table.num_rows, bool)
    for taxon in taxa:
        inside = np.ones(table.num_rows, bool)
        for rank, name in zip(RANKS, taxon.path, strict=False):
            column = table.column(rank)
            if name is None:
                passes = pc.is_null(column)
            else:
                passes = pc.is_in(column, value_set=pa.array(spellings(name) or (name,), column.type))
            inside &= passes.to_numpy()
        found |= inside
    return found


def _in_clades(taxa: Sequence[Taxon], spellings: Callable[[str], Sequence[str]]) -> exp.Expr:
    """Rows of one of some clades, by full path, so that homonyms stay apart."""
    return exp.or_(*(_in_clade(taxon, spellings) for taxon in taxa), copy=False) if taxa else exp.false()


def _in_clade(taxon: Taxon, spellings: Callable[[str], Sequence[str]]) -> exp.Expr:
    ranks = zip(RANKS, taxon.path, strict=False)
    parts = [_is_named(rank, () if name is None else spellings(name) or (name,)) for rank, name in ranks]
    return exp.and_(*parts, copy=False)


def _is_named(rank: str, written: Sequence[str]) -> exp.Expr:
    """Rows whose rank holds one of some names, or nothing where there is none."""
    names = [exp.Literal.string(name) for name in written]
    if not names:
        return exp.Is(this=_column(rank), expression=exp.null())
    if len(names) == 1:
        return exp.EQ(this=_column(rank), expression=names[0])
    return exp.In(this=_column(rank), expressions=names)


def _column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)
