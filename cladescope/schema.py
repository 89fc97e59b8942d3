"""The columns of a store's tables: the one place where their names, order and types are written.

Pictures become rows in `embedding`, rows become tables in `index`; both use the schemas made here.
"""

from collections.abc import Iterable

import pyarrow as pa

from cladescope.taxonomy import RANKS

FORMAT_VERSION = 2
"""Newest version of the store format (docs/store-format.md); raised when an older reader could no longer read a store."""
NAMED_VECTORS_VERSION = 2
"""Version of stores with vectors of several encoders; those with one are of version 1."""

IDENTITY_FIELDS = (
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("uri", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("content_hash", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
)
"""What a picture is and where it came from; a content hash or size is null where only a vector was imported."""

LABEL_FIELDS = (*(pa.field(rank, pa.string()) for rank in RANKS), pa.field("common_name", pa.string()))
"""The seven ranks (null where unknown; `species` is the binomial) and the common name."""

OPTIONAL_FIELDS = (
    pa.field("observation_id", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("rights_holder", pa.string()),
)
"""Kept under these names whatever a source calls them; null where a source has none."""

LABEL = "label"
"""The column of what pictures are sorted by that is no taxon, as the names of folders, and the word that asks for it in place of a rank."""

LEVELS = (*RANKS, LABEL)
"""What pictures can be told apart by."""

NAME_FIELDS = (
    pa.field("infraspecific", pa.string()),
    pa.field("authorship", pa.string()),
    pa.field("qualifier", pa.string()),
    pa.field("verbatim_name", pa.string()),
    pa.field("taxon_match", pa.string()),
    pa.field("inferred", pa.string()),
)
"""What a record's names hold beside the taxon (`cladescope.taxonomy.name_parser`), what a backbone said of it, and which ranks are not its
source's but inferred, and from what (`cladescope.embedding.folder_labels`); a store has those that a record needed."""

FAILURE_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)

RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("verb", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("started", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("ended", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("manifest", pa.string(), nullable=False),
    ]
)
"""One row a job; `manifest` is a JSON object with its settings, counts and library versions."""

STORED_COLUMNS = frozenset(field.name for field in (*IDENTITY_FIELDS, *LABEL_FIELDS, *OPTIONAL_FIELDS)) | {"vector"}
"""Columns that every store has."""

RESULT_WORDS = frozenset({"position", "score", "lineage"})
"""What a hit says beside the stored columns; LanceDB's own words begin with `_`."""

NAME_COLUMNS = frozenset(field.name for field in NAME_FIELDS)
"""Columns that a store may have of its own, beside those of its sources."""

RESERVED_COLUMNS = STORED_COLUMNS | NAME_COLUMNS | RESULT_WORDS
"""Names that a source's own columns cannot take."""

PREDICTED = "predicted"
"""How the columns begin that hold what was predicted of pictures, and nothing else."""

NAMING = tuple(f"{PREDICTED}_{level}" for level in LEVELS)
"""Columns of predictions of which a named picture has at least one."""

NOT_KNOWN = "not known"
"""What is said of a picture where nothing is named."""

PREFIX = "manifest_"
"""What stands before the name of a source's own column where that is taken."""


def holds_labels(schema: pa.Schema) -> bool:
    """Whether a table has labels that can be told apart: texts, or numbers; a source's own column of that name may hold anything.

    >>> holds_labels(pa.schema({"label": pa.int64()})), holds_labels(pa.schema({"label": pa.list_(pa.int64())}))
    (True, False)
    """
    if LABEL not in schema.names:
        return False
    kind = schema.field(LABEL).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    others = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string_view)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or any(is_of(kind) for is_of in others)


def is_predicted(column: str) -> bool:
    """Whether a column is one of predictions, so that no source's own column may be called so.

    >>> is_predicted("predicted_species"), is_predicted("predicted"), is_predicted("predictedness")
    (True, True, False)
    """
    return column.lower() == PREDICTED or column.lower().startswith(f"{PREDICTED}_")


def own_name(column: str) -> str:
    """The name of a source's own column in a store and in results.

    >>> own_name("sex"), own_name("Score"), own_name("_rowid")
    ('sex', 'manifest_Score', 'manifest__rowid')
    """
    return f"{PREFIX}{column}" if column.lower() in RESERVED_COLUMNS or column.startswith("_") else column


def shown_names(columns: Iterable[str]) -> dict[str, str]:
    """A source's own columns among those of a store, and the name under which results show each.

    They differ in stores of 0.1.0, which kept a column `score` under that name.

    >>> shown_names(["image_id", "sex", "score", "vector"])
    {'sex': 'sex', 'score': 'manifest_score'}
    """
    names = list(columns)
    shown: dict[str, str] = {}
    for name in names:
        if name not in STORED_COLUMNS | NAME_COLUMNS:
            other = own_name(name)
            while other != name and other in names:
                other = f"{PREFIX}{other}"
            shown[name] = other
    return shown


def vector_type(dim: int) -> pa.DataType:
    """Arrow type of an embedding of `dim` numbers.

    >>> vector_type(512)
    FixedSizeListType(fixed_size_list<item: halffloat>[512])
    """
    return pa.list_(pa.float16(), dim)


def images_schema(dim: int, extra: Iterable[pa.Field] = ()) -> pa.Schema:
    """Schema of the `images` table for vectors of `dim` numbers and a source's own `extra` columns.

    >>> images_schema(4, [pa.field("latitude", pa.float64())]).names[-2:]
    ['latitude', 'vector']
    """
    own = (field.remove_metadata() for field in extra)
    return pa.schema([*IDENTITY_FIELDS, *LABEL_FIELDS, *OPTIONAL_FIELDS, *own, pa.field("vector", vector_type(dim))])


ORIGIN_SCHEMA = pa.schema(
    [
        pa.field("address", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("modified", pa.int64()),
        pa.field("said", pa.string()),
        pa.field("gone", pa.string()),
    ]
)
"""One row a picture and source that listed it: bytes and time (ns) of its file, what the source said of it (JSON), and why
it is gone, if it is."""
