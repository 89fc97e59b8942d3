"""Counts over a finished catalogue: taxa and pictures by rank, phylum, source, licence, kind and split, and the long tail of species.

DuckDB counts, on disk where memory does not do. A picture is counted once, whether or not it is also in `train_small`. A taxon is its whole path.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cladescope.files import write_json
from cladescope.taxonomy import RANKS
from cladescope.training.curation.out.catalogue import write_csv
from cladescope.training.curation.out.database import database, place_of

if TYPE_CHECKING:
    import duckdb

BINS: Final = ((1, 1), (2, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 500), (501, None))
"""Numbers of pictures of a species that the long tail is told in, both ends included."""
GROUPS: Final = {
    "phyla": "phylum",
    "sources": "data_source",
    "licences": "licence",
    "kinds": "img_type",
    "splits": "split",
    "matches": "taxon_match",
}
"""Tables of pictures and taxa by one column, the most pictures first."""
_PATH: Final = ", ".join(f'"{rank}"' for rank in RANKS)


def write_statistics(out: Path) -> dict[str, Any]:
    """Write `statistics.json` and `statistics/*.csv` beside `catalog.parquet`; return what the former says."""
    folder = out / "statistics"
    folder.mkdir(exist_ok=True)
    catalogue = _quoted(place_of(out / "catalog.parquet"))
    with database(out / "work" / "write" / "spilled") as connection:
        connection.execute(f"CREATE VIEW pictures AS SELECT * FROM read_parquet('{catalogue}')")
        n, taxa, whole, small = _one(
            connection,
            f"SELECT count(*), count(DISTINCT ({_PATH})), count(*) FILTER ({' AND '.join(_there(rank) for rank in RANKS)}),"
            " count(*) FILTER (is_train_small) FROM pictures",
        )
        ranks = [(rank, *_one(connection, _of_rank(rank))) for rank in RANKS]
        groups = {name: _rows(connection, _of_group(column)) for name, column in GROUPS.items()}
        tail = _rows(connection, f"SELECT n, count(*) FROM ({_SPECIES}) GROUP BY n ORDER BY n")
        species = f"SELECT {_PATH}, n FROM ({_SPECIES}) ORDER BY n DESC, {_PATH}"
        with_head = f"COPY ({species}) TO '{_quoted(str(folder / 'species.csv'))}' (HEADER, DELIMITER ',')"
        connection.execute(with_head)
    write_csv(folder / "ranks.csv", ("rank", "taxa", "pictures"), ranks)
    for name, rows in groups.items():
        write_csv(folder / f"{name}.csv", (GROUPS[name], "pictures", "taxa"), rows)
    bins = _bins(tail)
    write_csv(folder / "long_tail.csv", ("pictures_of_a_species", "species", "share_of_species", "pictures"), bins)
    found = {
        "pictures": n,
        "taxa": taxa,
        "pictures_with_all_ranks": whole,
        "pictures_in_train_small": small,
        "ranks": {rank: {"taxa": n_taxa, "pictures": n_pictures} for rank, n_taxa, n_pictures in ranks},
        **{name: [dict(zip((GROUPS[name], "pictures", "taxa"), row, strict=True)) for row in rows] for name, rows in groups.items()},
        "long_tail": [dict(zip(("pictures_of_a_species", "species", "share_of_species", "pictures"), row, strict=True)) for row in bins],
    }  # fmt: skip
    write_json(out / "statistics.json", found)
    return found | {"tail": tail}


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _there(rank: str) -> str:
    return f'"{rank}" IS NOT NULL'


def _of_rank(rank: str) -> str:
    """Taxa and pictures at a rank: the different paths down to it among pictures that have a name there."""
    path = ", ".join(f'"{one}"' for one in RANKS[: RANKS.index(rank) + 1])
    return f"SELECT count(DISTINCT ({path})), count(*) FROM pictures WHERE {_there(rank)}"


def _of_group(column: str) -> str:
    return f"SELECT {column}, count(*) AS n, count(DISTINCT ({_PATH})) FROM pictures GROUP BY {column} ORDER BY n DESC, {column}"


_SPECIES: Final = f"SELECT {_PATH}, count(*) AS n FROM pictures WHERE {_there('species')} GROUP BY {_PATH}"


def _one(connection: "duckdb.DuckDBPyConnection", query: str) -> tuple[int, ...]:
    return _rows(connection, query)[0]


def _rows(connection: "duckdb.DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _bins(tail: Sequence[tuple[int, int]]) -> list[tuple[str, int, float, int]]:
    """Species and pictures by how many pictures a species has.

    >>> _bins([(1, 3), (4, 1)])[:2]
    [('1', 3, 0.75, 3), ('2-5', 1, 0.25, 4)]
    """
    total = sum(n for _, n in tail)
    rows = []
    for low, high in BINS:
        inside = [(size, n) for size, n in tail if low <= size and (high is None or size <= high)]
        words = f"{low}" if low == high else f"{low} and more" if high is None else f"{low}-{high}"
        n = sum(count for _, count in inside)
        rows.append((words, n, round(n / total, 6) if total else 0.0, sum(size * count for size, count in inside)))
    return rows
