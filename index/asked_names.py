"""What a user's word means where pictures or classes are chosen: a scientific name, else a common name that one taxon has."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from cladescope.embedding.known_taxa import common_key, shipped_taxa
from cladescope.errors import TaxonError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxonomy import Taxonomy

logger = logging.getLogger(__name__)

GROUPS: Final = {
    "animal": "Animalia", "plant": "Plantae", "fungus": "Fungi", "bacteria": "Bacteria", "vertebrate": "Chordata", "arthropod": "Arthropoda",
    "mollusc": "Mollusca", "mollusk": "Mollusca", "bird": "Aves", "mammal": "Mammalia", "amphibian": "Amphibia", "reptile": "Reptilia",
    "ray finned fish": "Actinopterygii", "shark and ray": "Elasmobranchii", "insect": "Insecta", "arachnid": "Arachnida",
    "crustacean": "Crustacea", "spider": "Araneae", "beetle": "Coleoptera", "fly": "Diptera", "butterfly and moth": "Lepidoptera",
    "bug": "Hemiptera", "true bug": "Hemiptera", "dragonfly": "Odonata", "dragonfly and damselfly": "Odonata", "grasshopper": "Orthoptera",
    "wasp bee and ant": "Hymenoptera", "ant": "Formicidae", "bat": "Chiroptera", "rodent": "Rodentia", "primate": "Primates", "carnivore": "Carnivora",
    "whale and dolphin": "Cetacea", "marsupial": "Marsupialia", "frog": "Anura", "frog and toad": "Anura", "salamander": "Caudata", "turtle": "Testudines",
    "songbird": "Passeriformes", "perching bird": "Passeriformes", "owl": "Strigiformes", "duck": "Anatidae", "parrot": "Psittaciformes",
    "woodpecker": "Picidae", "hummingbird": "Trochilidae", "snail": "Gastropoda", "snail and slug": "Gastropoda", "mussel": "Bivalvia",
    "orchid": "Orchidaceae", "grass": "Poaceae", "moss": "Bryophyta", "conifer": "Pinopsida", "fern": "Polypodiopsida", "cat": "Felidae",
    "dog": "Canidae", "deer": "Cervidae", "bear": "Ursidae", "snake": "Serpentes", "lizard and snake": "Squamata", "tit": "Paridae", "crow": "Corvidae",
}  # fmt: skip
"""Groups that everybody has a word for, by `common_key`."""


def meant(taxonomy: Taxonomy, name: str, named: "CommonNames") -> tuple[Taxon, ...]:
    """The taxa of a taxonomy that a text stands for, as `Taxonomy.resolve`, or by a common name, which is said in the log.

    A common name is looked up among those beside the taxa, then among the taxa of `tiny`, then among `GROUPS`.

    Raises TaxonError as `resolve` does where the text is no common name of one taxon that is there.
    """
    try:
        return taxonomy.resolve(name)
    except TaxonError:
        paths = named.paths(name)
        for path in paths:
            try:
                found = taxonomy.resolve(path)
            except TaxonError:
                continue
            named.tell(f"{name!r} is taken for {found[0]}")
            return found
        if not paths:
            raise
    raise TaxonError(f"{name!r} means {paths[0].rpartition(':')[2]}, of which nothing is here: name another clade")


class CommonNames:
    """The common names beside some taxa; some 200 bytes a name, read when one is asked for."""

    def __init__(self, tables: Iterable[pa.Table | pa.RecordBatch]) -> None:
        """`tables` have the ranks and, if there is one, `common_name`; they may repeat themselves."""
        self._tables = tables
        self._paths: dict[str, set[str]] | None = None
        self._written: dict[str, set[str]] = defaultdict(set)
        self._told: set[str] = set()

    def paths(self, name: str) -> list[str]:
        """What a common name may stand for, as a rank and a name for `Taxonomy.resolve`, the likeliest first.

        >>> table = pa.table({"species": ["Parus major", "Pica pica"], "common_name": ["Great tit", "magpie"]})
        >>> CommonNames([table]).paths("great-tits"), CommonNames([table]).paths("birds")
        (['species:Parus major'], ['Aves'])
        """
        key = common_key(name)
        own = self._own.get(key, set())
        found = list(own) if len(own) == 1 else []
        lineage = None if own else shipped_taxa().called(name)
        found += [] if lineage is None else [_deepest(dict(zip(RANKS, lineage, strict=True)))]
        return found if own else [*found, *([GROUPS[key]] if key in GROUPS else [])]

    def tell(self, words: str) -> None:
        """Say something of a name, once."""
        if words not in self._told:
            self._told.add(words)
            logger.info(words)

    def written(self, name: str) -> list[str]:
        """The ways in which the tables write a common name."""
        return sorted(self._written[common_key(name)]) if self._own else []

    @property
    def _own(self) -> dict[str, set[str]]:
        if self._paths is None:
            self._paths = defaultdict(set)
            seen: set[tuple[str | None, ...]] = set()
            for table in self._tables:
                if "common_name" not in table.schema.names:
                    continue
                names = [one for one in (*RANKS, "common_name") if one in table.schema.names]
                some = pa.table({one: table.column(one) for one in names})
                for row in some.group_by(names).aggregate([]).to_pylist():
                    if row["common_name"] and tuple(row.values()) not in seen and (path := _deepest(row)):
                        seen.add(tuple(row.values()))
                        self._paths[common_key(row["common_name"])].add(path)
                        self._written[common_key(row["common_name"])].add(row["common_name"])
        return self._paths


def _deepest(row: dict[str, str | None]) -> str:
    """The narrowest taxon of a row, as `rank:name`; empty where it has none."""
    return next((f"{rank}:{name}" for rank in reversed(RANKS) if (name := row.get(rank)) and fold(name)), "")
