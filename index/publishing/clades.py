"""Clades as keys: each published point lists the keys of its taxon and of all ancestors, so that a clade is one exact match.

A key is the full path, so homonyms (one genus name in two kingdoms) stay apart, and a rank that is not recorded has its place.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cladescope.taxonomy import Taxon

if TYPE_CHECKING:
    from cladescope.index.store_reader import StoreReader

FIELD = "clades"
"""Where a published point lists its keys."""


def clade_key(taxon: Taxon) -> str:
    """The path of a taxon as it is compared, by slashes; nothing stands between two where a rank is not recorded.

    Letter case and Unicode form make no difference to it, as they make none to a taxon. A slash in a name is `%2F`, a percent sign
    `%25`, so that two taxa never share a key.

    >>> clade_key(Taxon(("Animalia", None, "Aves")))
    'animalia//aves'
    >>> clade_key(Taxon(("Plantae", None, None, None, None, "Oenanthe")))
    'plantae/////oenanthe'
    """
    return "/".join(name.replace("%", "%25").replace("/", "%2F") for name in taxon.key)


def clade_keys(ranks: Mapping[str, str | None]) -> list[str]:
    """Keys of all clades that a row is in, widest first; none where no rank is known.

    >>> clade_keys({"kingdom": "Animalia", "phylum": None, "class": "Aves", "genus": "Parus"})
    ['animalia', 'animalia//aves', 'animalia//aves///parus']
    """
    taxon = Taxon.from_ranks(ranks)
    return [] if taxon is None else [clade_key(one) for one in taxon.lineage]


def keys_within(store: "StoreReader", within: str | Sequence[str]) -> list[str]:
    """Keys of a clade of a store, or of several, as a user names them; a point is within where it lists one of them.

    There are more keys than names where one clade is recorded with and without some rank in between.

    Raises TaxonError for a clade that the store does not know, or a name that has several meanings.
    """
    return list(dict.fromkeys(map(clade_key, store.taxa(within))))
