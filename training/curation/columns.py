"""The columns that each stage leaves: a row for each record that was gathered, in the same order, in every stage.

A stage's table has `row` first and `dropped` last: null while the picture is in, else the stage and the reason, `screen: licence forbids (by-nd)`.
What a stage before dropped stays dropped, and has nulls in a later stage's own columns.
"""

from typing import Final

import pyarrow as pa

from cladescope.taxonomy import RANKS

_WORD: Final = pa.dictionary(pa.int32(), pa.string())
ROW: Final = pa.field("row", pa.int64(), nullable=False)
"""Number of a record, from 0, in the order of the configuration's sources and of their records."""
DROPPED: Final = pa.field("dropped", _WORD)


def _stage(*fields: pa.Field) -> pa.Schema:
    return pa.schema([ROW, *fields, DROPPED])


GATHERED: Final = _stage(
    pa.field("id", pa.string(), nullable=False),
    pa.field("source", _WORD, nullable=False),
    pa.field("record", pa.int64(), nullable=False),
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("uri", pa.string(), nullable=False),
    *(pa.field(f"written_{rank}", _WORD) for rank in RANKS),
    pa.field("written_common_name", _WORD),
    pa.field("observation_id", pa.string()),
    pa.field("sequence_id", pa.string()),
    pa.field("specimen_id", pa.string()),
    pa.field("licence", _WORD),
    pa.field("rights_holder", _WORD),
    pa.field("title", pa.string()),
    pa.field("publisher", _WORD),
    pa.field("basis_of_record", _WORD),
    pa.field("kind", _WORD),
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    pa.field("recorded", pa.string()),
    pa.field("source_url", pa.string()),
    pa.field("raw", pa.string(), nullable=False),
    pa.field("as_written", pa.string()),
)
"""`id` is a UUID: the source's own where `image_id` is one, else made of the source's name and `image_id`. `record` is the number of the record in its source,
from 0; `written_...` are ranks as the source has them, `species` the binomial; `raw` is all that the source says, as JSON, its
labels as they were read, and `as_written` the names among them that it writes otherwise. `recorded` is a date as written. `sequence_id` is a
sequence of a camera trap, with its deployment; `kind` is what the configuration or the kind of table says of all pictures of a source, whose rows may say otherwise.
`title` is what the source calls the picture, `source_url` an address of the web that it has for a picture of its own beside where the picture lies. Licence, holder and publisher are the configuration's where the row has none."""

NAMED: Final = _stage(
    *(pa.field(rank, _WORD) for rank in RANKS),
    pa.field("common_name", _WORD),
    pa.field("common_name_from", _WORD),
    pa.field("common_name_rank", _WORD),
    pa.field("taxon_match", _WORD),
)
"""`species` is the binomial. `common_name_from` is which of the stated sources gave it, `common_name_rank` the rank whose name it is; `taxon_match` what the
backbone said (as in a store)."""

SCREENED: Final = _stage(
    pa.field("licence_kind", _WORD),
    pa.field("kind", _WORD),
)
"""`licence_kind` is the short form (`by-nc`, `cc0`, `all rights reserved`; null: not known); `kind` what the source says that is shown (`sections.KINDS`)."""

LOOKED: Final = _stage(
    pa.field("picture_at", pa.string()),
    pa.field("content_hash", pa.string()),
    pa.field("md5", pa.string()),
    pa.field("n_bytes", pa.int64()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("spread", pa.float32()),
    pa.field("sharpness", pa.float32()),
    pa.field("pdq", pa.binary(32)),
    pa.field("pdq_mirrored", pa.binary(32)),
    pa.field("pdq_quality", pa.int16()),
)
"""`picture_at` is where the picture lies on this machine (`uri`, or a member of a shard that it was fetched into); `content_hash` is BLAKE2b of 16 bytes, as in a
store; `spread` is the standard deviation of grey levels, `sharpness` the variance of their Laplacian at 224 pixels; `pdq` is null without the package."""

ENCODED: Final = ("vector",)
"""The stage `encode`, which runs where an encoder is named, has the vectors as a fixed-size list of float16."""

APART: Final = _stage(pa.field("leak", _WORD), pa.field("leak_likeness", pa.float32()))
"""`leak` is the name of the excluded picture that shows the same photograph, and of its list; the picture is then dropped."""

FLAGGED: Final = _stage(
    pa.field("kind", _WORD),
    pa.field("kind_confidence", pa.float32()),
    pa.field("people", pa.list_(pa.string())),
    pa.field("people_score", pa.float32()),
)
"""`kind` is the source's, or guessed: then `kind_confidence` is the share of right guesses among held-out pictures that were guessed as surely; `people` are
the kinds of detections that count."""

SINGLE: Final = _stage(
    pa.field("cluster", pa.int64()),
    pa.field("duplicate_of", pa.int64()),
    pa.field("likeness", pa.float32()),
    pa.field("how", _WORD),
)
"""`cluster` is the least row of those tied by likeness, directly or by a chain, for splits; `duplicate_of` is the row that is kept in place of this one."""

SPLIT: Final = _stage(pa.field("split", _WORD), pa.field("is_train_small", pa.bool_()), pa.field("unit", pa.int64()))
"""`split` is `train`, `val`, `test` or `test_species`; `unit` the least row of those that stay on one side."""

SCHEMAS: Final = {
    "gather": GATHERED,
    "names": NAMED,
    "screen": SCREENED,
    "look": LOOKED,
    "leaks": APART,
    "flag": FLAGGED,
    "single": SINGLE,
    "split": SPLIT,
}
"""The stages in their order; `encode`, if it runs, is after `look`."""
