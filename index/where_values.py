"""What a condition's texts mean: names in another spelling and common names, and a word on what no picture has."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from sqlglot import exp

from cladescope.errors import TaxonError
from cladescope.index.asked_names import CommonNames, meant
from cladescope.index.literals import quote
from cladescope.taxonomy import RANK_INDEX, RANKS, Taxonomy

Values = Callable[[str, str], Sequence[str]]
"""For a column and a text what to compare it with."""


def with_meant_values(tree: exp.Expr, values: Values) -> exp.Expr:
    """A condition whose comparisons of ranks and common names with texts are with what `values` gives for these.

    >>> tree = exp.column("species").eq("koala")
    >>> with_meant_values(tree, lambda column, text: ["Phascolarctos cinereus"]).sql()
    "species = 'Phascolarctos cinereus'"
    """

    def changed(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.EQ | exp.NEQ):
            column, text = (
                (node.this, node.expression) if isinstance(node.this, exp.Column) else (node.expression, node.this)
            )
            texts = [text]
        elif isinstance(node, exp.In) and isinstance(node.this, exp.Column):
            column, texts = node.this, list(node.expressions)
        else:
            return node
        if not isinstance(column, exp.Column) or column.name not in (*RANKS, "common_name"):
            return node
        if not texts or not all(isinstance(one, exp.Literal) and one.is_string for one in texts):
            return node
        found = list(dict.fromkeys(name for one in texts for name in values(column.name, one.name)))
        if found == [one.name for one in texts]:
            return node
        if len(found) == 1 and not isinstance(node, exp.In):
            return type(node)(this=column, expression=exp.Literal.string(found[0]))
        among = exp.In(this=column, expressions=[exp.Literal.string(name) for name in found])
        return exp.Not(this=among) if isinstance(node, exp.NEQ) else among

    return tree.transform(changed, copy=False)


def values_of(
    count: Callable[[str], int], taxonomy: Callable[[], Taxonomy], common_names: Callable[[], CommonNames]
) -> Values:
    """What texts mean for a store: one that some picture has means itself, so that nothing else is read of the store then.

    `count` tells how many pictures meet a condition; the store's taxa and common names are asked for where none does.
    """

    def values(column: str, text: str) -> Sequence[str]:
        if count(f"`{column}` = {quote(text)}"):
            return (text,)
        if column == "common_name":
            return common_names().written(text) or (text,)
        try:
            taxa = meant(taxonomy(), text, common_names())
        except TaxonError:
            known = [taxon.name for taxon in taxonomy().taxa(column)]
            near = get_close_matches(text, known, n=1)
            common_names().tell(
                f"no picture has the {column} {text!r}" + (f": did you mean {near[0]!r}?" if near else "")
            )
            return (text,)
        place = RANK_INDEX[column]
        names = [taxon.path[place] for taxon in taxa if len(taxon.path) > place]
        if not any(names):
            said = f"no picture has the {column} {text!r}, which is a {taxa[0].rank}"
            common_names().tell(f"{said}: write {taxa[0].rank} = {taxa[0].name!r}, or name it as a clade")
            return (text,)
        return list(dict.fromkeys(one for name in names if name for one in taxonomy().spellings(name) or (name,)))

    return values
