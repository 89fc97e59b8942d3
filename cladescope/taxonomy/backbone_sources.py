"""Taxonomies as people publish them, read into one table: Darwin Core, tables of ranks, the bird checklists' crosswalk.

Columns of the table: `rank`, `name` (canonical), `status` (`accepted` or `synonym`), `taxon_id`, the seven ranks of the
accepted taxon, and `common_name`. Memory for Darwin Core of n rows: about 250 n bytes.
"""

from collections.abc import Set
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cladescope.errors import InputError
from cladescope.taxonomy.name_parser import parse_name
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

COLUMNS: Final = ("rank", "name", "status", "taxon_id", *RANKS, "common_name")
_PLAIN: Final = r"^[A-Z][a-z-]+(?: [a-z-]{4,})?$"
_DEEPEST: Final = 200
"""Steps from a taxon to the root; more are a circle of parents."""
_BIRD_SYNONYMS: Final = ("SCI_NAME", "ott_name", "H_M_name", "Birdlife_name", "IOC_name")


def read_taxonomy(path: Path) -> pl.DataFrame:
    """The taxa and synonyms of one file.

    Raises InputError where it is missing, damaged, of no known kind, or its parents go round in a circle.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file, expected a taxonomy: Taxon.tsv, a table with ranks, or a crosswalk")
    try:
        table = _scanned(path)
        names = {name.removeprefix("dwc:"): name for name in table.collect_schema().names()}
        table = table.rename({written: name for name, written in names.items()})
        if {"taxonID", "scientificName", "taxonRank"} <= names.keys():
            found = _darwin_core(table, names.keys(), path)
        elif {"SCI_NAME", "ORDER", "FAMILY"} <= names.keys():
            found = _birds(table, names.keys())
        elif set(RANKS) & names.keys():
            found = _ranks(table, names.keys())
        else:
            raise InputError(
                f"{path} has the columns {', '.join(list(names)[:8])}: expected taxonID, scientificName and taxonRank, "
                f"or some of {', '.join(RANKS)}"
            )
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a taxonomy ({str(error).splitlines()[0]})") from error
    if not len(found):
        raise InputError(f"{path} holds no taxon of a rank from kingdom to species")
    return found.select(COLUMNS)


def _scanned(path: Path) -> pl.LazyFrame:
    if path.suffix.lower() == ".parquet":
        return pl.scan_parquet(path)
    with path.open(encoding="utf-8-sig") as file:
        tabs = "\t" in file.readline()
    if tabs:  # as GBIF and the Catalogue of Life write it: a quote is a letter
        return pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False)
    return pl.scan_csv(path, infer_schema=False)


def _text(names: Set[str], name: str) -> pl.Expr:
    there = name in names
    text = pl.col(name).cast(pl.String).str.strip_chars() if there else pl.lit(None, pl.String)
    return pl.when(text != "").then(text).alias(name)


def _ranks(table: pl.LazyFrame, names: Set[str]) -> pl.DataFrame:
    """Each row is a lineage: its taxon, and every taxon above it."""
    whole = table.select(*(_text(names, rank) for rank in RANKS), _text(names, "common_name")).unique().collect()
    parts = []
    for depth, rank in enumerate(RANKS, start=1):
        blank = [pl.lit(None, pl.String).alias(lower) for lower in RANKS[depth:]]
        common = (
            pl.col("common_name").drop_nulls().sort().first() if rank == "species" else pl.lit(None, pl.String).first()
        )
        part = whole.filter(pl.col(rank).is_not_null()).group_by(RANKS[:depth]).agg(common.alias("common_name"))
        parts.append(part.with_columns(*blank, pl.lit(rank).alias("rank"), pl.col(rank).alias("name")))
    found = pl.concat([part.select("rank", "name", *RANKS, "common_name") for part in parts])
    return _canonical(found.with_columns(status=pl.lit("accepted"), taxon_id=pl.lit(None, pl.String)))


def _birds(table: pl.LazyFrame, names: Set[str]) -> pl.DataFrame:
    """The crosswalk of Clements with other checklists: other lists' names are synonyms, unless Clements accepts them itself."""
    wanted = ("CATEGORY", "sci_name_2025", "TAXON_CONCEPT_ID", "PRIMARY_COM_NAME", "ORDER", "FAMILY", *_BIRD_SYNONYMS)
    rows = table.select(*(_text(names, name) for name in wanted)).collect()
    rows = rows.filter(pl.col("CATEGORY").is_null() | (pl.col("CATEGORY") == "species"))
    rows = rows.select(
        kingdom=pl.lit("Animalia"),
        phylum=pl.lit("Chordata"),
        order=pl.col("ORDER"),
        family=pl.col("FAMILY").str.replace(r"\s*\(.*", ""),
        species=pl.coalesce("sci_name_2025", "SCI_NAME"),
        taxon_id=pl.col("TAXON_CONCEPT_ID"),
        common_name=pl.col("PRIMARY_COM_NAME"),
        **{"class": pl.lit("Aves"), **{name: pl.col(name) for name in _BIRD_SYNONYMS}},
    ).with_columns(genus=pl.col("species").str.split(" ").list.first())
    accepted = rows.select(
        pl.lit("species").alias("rank"), pl.col("species").alias("name"), "taxon_id", *RANKS, "common_name"
    )
    others = rows.unpivot(on=list(_BIRD_SYNONYMS), index=["taxon_id", *RANKS, "common_name"], value_name="name").filter(
        pl.col("name").str.contains(r"^\S+ \S+$") & ~pl.col("name").is_in(rows["species"].implode())
    )
    synonyms = others.with_columns(rank=pl.lit("species"), status=pl.lit("synonym")).unique(["name", "species"])
    above = _ranks(rows.select(RANKS).lazy(), set(RANKS)).filter(pl.col("rank") != "species")
    found = [accepted.with_columns(status=pl.lit("accepted")), synonyms, above]
    return _canonical(pl.concat([part.select(COLUMNS) for part in found]))


def _darwin_core(table: pl.LazyFrame, names: Set[str], path: Path) -> pl.DataFrame:
    """Taxa known by id, with parents or with columns of ranks, synonyms pointing at the accepted taxon."""
    scanned = table.select(
        _text(names, "taxonID"),
        _text(names, "parentNameUsageID"),
        _text(names, "acceptedNameUsageID"),
        pl.coalesce(
            _text(names, "canonicalName"),
            _text(names, "scientificName")
            .str.strip_suffix(pl.coalesce(_text(names, "scientificNameAuthorship"), pl.lit("")))
            .str.strip_chars(),
        ).alias("name"),
        _text(names, "taxonRank").str.to_lowercase().cast(pl.Categorical).alias("rank"),
        _text(names, "taxonomicStatus").str.to_lowercase().cast(pl.Categorical).alias("status"),
    ).filter(pl.col("taxonID").is_not_null() & pl.col("name").is_not_null())
    rows = scanned.collect(engine="streaming").with_row_index("row")
    place = rows.select("taxonID", pl.col("row").alias("at"))
    if place["taxonID"].n_unique() < len(place):
        raise InputError(f"{path} holds a taxonID twice: expected each taxon once")

    def places(column: str) -> np.ndarray:
        joined = rows.select("row", column).join(
            place, left_on=column, right_on="taxonID", how="left", maintain_order="left"
        )
        return np.asarray(joined["at"].fill_null(len(rows)).to_numpy(), np.int64)

    parent, accepted = np.append(places("parentNameUsageID"), len(rows)), places("acceptedNameUsageID")
    itself = np.arange(len(rows))
    synonym = (accepted < len(rows)) & (accepted != itself)
    taxon = np.where(synonym, accepted, itself)
    rank = rows["rank"].cast(pl.String).replace_strict(dict(RANK_INDEX), default=-1, return_dtype=pl.Int8).to_numpy()
    lineage = np.full((len(RANKS), len(rows)), len(rows), np.int64)
    rank, above, steps = np.append(rank, -1), taxon.copy(), 0
    left = np.flatnonzero(above < len(rows))
    while len(left):
        ranked = rank[above[left]]
        for code in range(len(RANKS)):
            here = left[(ranked == code) & (lineage[code, left] == len(rows))]
            lineage[code, here] = above[here]
        above[left] = parent[above[left]]
        left = left[above[left] < len(rows)]
        steps += 1
        if steps > _DEEPEST:
            raise InputError(
                f"{path}: the parents of {rows['taxonID'][int(left[0])]!r} go round in a circle, expected a tree"
            )
    name = rows["name"].extend_constant(None, 1)
    wanted = np.flatnonzero((rank[:-1] >= 0) & (rank[taxon] == rank[:-1]))
    found = {one: name.gather(lineage[code, wanted]) for one, code in RANK_INDEX.items()}
    if not (lineage[:6] < len(rows)).any():  # no parents: the ranks stand in columns
        higher = table.select(_text(names, "taxonID"), *(_text(names, one) for one in RANKS[:-1])).collect()
        joined = rows.select("taxonID")[taxon[wanted]].join(higher, on="taxonID", how="left", maintain_order="left")
        found |= {one: joined[one] for one in RANKS[:-1]}
    kept = rows[wanted]
    return _canonical(
        pl.DataFrame(
            {
                "rank": kept["rank"].cast(pl.String),
                "name": kept["name"],
                "status": np.where(synonym[wanted], "synonym", "accepted"),
                "taxon_id": kept["taxonID"],
                **found,
                "common_name": pl.Series([None] * len(kept), dtype=pl.String),
            }
        )
    )


def _canonical(taxa: pl.DataFrame) -> pl.DataFrame:
    """The table with names in the one form of the store: hybrids with their sign, no authors."""
    every = pl.concat([taxa.select(name=name) for name in ("name", "genus", "species")])
    odd = every.filter(pl.col("name").is_not_null() & ~pl.col("name").str.contains(_PLAIN))["name"].unique()
    if not len(odd):
        return taxa
    new = {name: found.name for name in odd.to_list() if (found := parse_name(name)).name and not found.qualifier}
    return taxa.with_columns(pl.col(name).replace(new) for name in ("name", "genus", "species"))
