"""What the columns of somebody's table mean: path, id, source, ranks, or a column of the source's own.

The same picture table is spelled in many ways (Darwin Core, TreeOfLife, pybioclip, GBIF, Hugging Face).
`plan_columns` maps one spelling to the store's names (`cladescope.schema`); what the values of a label become is said by
`cladescope.embedding.labels`. Nothing here reads files.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import pyarrow as pa

from cladescope.delimited.headers import spelled, squash
from cladescope.embedding.doors import nearest_door
from cladescope.embedding.labels import HELPERS
from cladescope.errors import InputError
from cladescope.schema import NAME_FIELDS, PREFIX, is_predicted, own_name
from cladescope.taxonomy import RANKS

PATH_NAMES = (
    *("file", "path", "file_path", "file_name", "image_path", "image_file", "image", "uri", "image_uri"),
    *("image_url", "eol_full_size_copy_url", "url", "identifier", "source_url"),
    *("url_gcp", "url_aws", "url_azure"),
)
"""Names of a column of paths or URLs, the preferred first; `identifier` only where its values are URLs."""
PICTURE_NAMES = ("image", "image_bytes", "bytes")
"""Names of a column that holds encoded pictures: binary, or the struct {bytes, path} of Hugging Face."""
ID_NAMES = ("image_id", "uuid", "treeoflife_id", "evobio10m_id", "gbifID", "eol_content_id", "id")
SOURCE_NAMES = ("source", "data_source", "source_dataset", "dataset", "dataset_name")
LABEL_NAMES: Mapping[str, tuple[str, ...]] = {
    **{rank: (rank, f"taxon_{rank}_name") for rank in RANKS},
    "class": ("class", "cls", "taxon_class_name"),
    "common_name": ("common_name", "common", "vernacular_name"),
    "epithet": ("species_epithet", "specific_epithet"),
    "scientific_name": ("scientific_name",),
    **{field.name: (field.name,) for field in NAME_FIELDS},
}
OPTIONAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "observation_id": ("observation_id", "occurrence_id"),
    "licence": ("licence", "license", "license_name", "licence_name", "copyright_license"),
    "rights_holder": ("rights_holder", "copyright_owner", "copyright_holder"),
}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PAGE = re.compile(
    r"https?://(?:[\w-]+\.)*(?:inaturalist\.[a-z.]+/observations|gbif\.org/occurrence|eol\.org/pages)/\d+/?",
    re.IGNORECASE,
)
"""Addresses of pages about an observation or a taxon, on which pictures are shown among other things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """Which column of a table plays which part; a part that no column plays is None or absent."""

    path: str | None = None
    """Column of paths or URLs."""
    picture: str | None = None
    """Column of encoded pictures; it is preferred to `path`."""
    image_id: str | None = None
    of_occurrences: bool = False
    """Whether rows are pictures of occurrences of GBIF, of which several rows may be of one: both together are the id."""
    source: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Column of each rank, of `common_name`, of the parts of a name that a store keeps (`schema.NAME_FIELDS`), and of the
    helpers `epithet` and `scientific_name`."""
    optional: Mapping[str, str] = field(default_factory=dict)
    """Column of each of `observation_id`, `licence` and `rights_holder`."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Column of each of the source's own columns, by the name under which the store keeps it."""
    extra_fields: tuple[pa.Field, ...] = ()
    """Name and type of each column in `extra`, in the table's order; `source_column` in its metadata says how the source calls
    it, where that is another name."""


def plan_columns(
    schema: pa.Schema,
    head: Mapping[str, Sequence[object]] | None = None,
    *,
    apart: Collection[str] = (),
    needs_picture: bool = True,
    path: str | None = None,
) -> ColumnPlan:
    """Part of each column of a table with this `schema`, whatever its spelling.

    Case, `_`, `-` and spaces make no difference. `head` holds some first values by column; without them
    `identifier` is not taken for a path. Columns named in `apart` are left out (a vector column, say). Where
    two columns could be the path, the id, the source or an optional column, the more usual name wins and the
    other is kept as the source's own. A rank column that holds no text (class numbers) is the source's own
    too. `epithet` and `scientific_name` help to find the species and are also kept as they came. A column
    whose name the store or a result needs itself gets the prefix `manifest_`; a dot in a name becomes `_`, and an empty
    name, as a spreadsheet's index column has, `unnamed`.

    `path` is the column of paths or URLs where the kind of table says which.

    Raises InputError if a column occurs twice, if two columns give the same rank, or, where `needs_picture`,
    if there is no column of paths or pictures.

    >>> plan = plan_columns(pa.schema({"File": pa.string(), "cls": pa.string(), "width": pa.int64()}))
    >>> plan.path, plan.labels, plan.extra
    ('File', {'class': 'cls'}, {'manifest_width': 'width'})
    """
    repeated = [name for name, n in Counter(schema.names).items() if n > 1]
    if repeated:
        raise InputError(f"column {repeated[0]!r} occurs twice among {_listed(schema.names)}: rename one of them")
    types = {name: type_ for name, type_ in zip(schema.names, schema.types, strict=True) if name not in apart}
    text = {name for name, type_ in types.items() if _is_text(type_)}
    written = text | {name for name, type_ in types.items() if pa.types.is_integer(type_)}
    urls = {name for name in text if _all_urls((head or {}).get(name, ()))}

    labels: dict[str, str] = {}
    for role, spellings in LABEL_NAMES.items():
        found = spelled(text, spellings, order=schema.names)
        if len(found) > 1 and role in RANKS:
            raise InputError(
                f"columns {found[0]!r} and {found[1]!r} both give the {role}: rename or remove one of them"
            )
        if found:
            labels[role] = found[0]
    optional = {}
    for role, spellings in OPTIONAL_NAMES.items():
        if found := spelled(written, spellings, order=schema.names):
            optional[role] = found[0]
    paths = [name for name in text if squash(name) != "identifier" or name in urls]
    path = path or _first(paths, PATH_NAMES, order=schema.names)
    picture = _first([name for name, type_ in types.items() if _is_picture(type_)], PICTURE_NAMES, order=schema.names)
    if needs_picture and picture is None and path is not None and _all_pages((head or {}).get(path, ())):
        raise InputError(
            f"column {path!r} holds addresses of pages, not of pictures: export the table again with the pictures' own "
            "addresses (of iNaturalist with image_url)"
        )
    if needs_picture and path is None and picture is None:
        if {"gbifid", "mediatype"} <= set(map(squash, schema.names)):
            raise InputError(
                "these are occurrences of GBIF without addresses of pictures: name their Darwin Core archive, a .zip or its folder; "
                "in place of a simple download ask GBIF for such an archive"
            )
        door = nearest_door(schema.names)
        raise InputError(
            f"found no column of pictures among {_listed(schema.names)}: expected paths or URLs in a text "
            f"column named {', '.join(PATH_NAMES)} (identifier where its values are URLs), or pictures in a "
            f"binary column named {', '.join(PICTURE_NAMES)}; rename yours (it is nearest to {door.name}, which has "
            f"{', '.join(door.columns)}; the list of sources has all)"
        )
    image_id = _first(written, ID_NAMES, order=schema.names)
    of_occurrences = path is not None and picture is None and image_id is not None and squash(image_id) == "gbifid"
    if of_occurrences and image_id is not None:
        optional["observation_id"], image_id = image_id, None
    source = _first(text, SOURCE_NAMES, order=schema.names)

    used = {picture, image_id, source, *optional.values()} | {labels[role] for role in labels if role not in HELPERS}
    used.add(path if picture is None else None)
    extra = {_own_name(name): name for name in types if name not in used}
    if (
        clash := next((name for name in types if name not in used and extra[_own_name(name)] != name), None)
    ) is not None:
        raise InputError(
            f"columns {clash!r} and {extra[_own_name(clash)]!r} would both be stored as {_own_name(clash)!r}: "
            "rename one of them"
        )
    fields = tuple(
        pa.field(name, types[column], metadata=None if name == column else {"source_column": column})
        for name, column in extra.items()
    )
    return ColumnPlan(
        path=path,
        picture=picture,
        image_id=image_id,
        of_occurrences=of_occurrences,
        source=source,
        labels=labels,
        optional=optional,
        extra=extra,
        extra_fields=fields,
    )


def nearly(column: str) -> str | None:
    """The column of labels whose name is almost this one, as after a slip of the pen; None where there is none.

    >>> nearly("speceis"), nearly("weight")
    ('species', None)
    """
    known = [*RANKS, "common_name", "scientific_name", "label"]
    return next(iter(get_close_matches(column.lower(), known, n=1, cutoff=0.8)), None)


def renamed_columns(fields: Iterable[pa.Field]) -> dict[str, str]:
    """Columns of a source that the store keeps under another name, and that name; from a plan's `extra_fields`.

    >>> plan = plan_columns(pa.schema({"file": pa.string(), "score": pa.float64(), "sex": pa.string()}))
    >>> renamed_columns(plan.extra_fields)
    {'score': 'manifest_score'}
    """
    return {field.metadata[b"source_column"].decode(): field.name for field in fields if field.metadata}


def is_url(text: str) -> bool:
    """Whether a text names a scheme, as `https://` or `s3://` do.

    >>> is_url("s3://bucket/tit.jpg"), is_url("C:/tit.jpg")
    (True, False)
    """
    return _URL.match(text) is not None


def _first(names: Collection[str], spellings: Sequence[str], *, order: Sequence[str]) -> str | None:
    return next(iter(spelled(names, spellings, order=order)), None)


def _own_name(column: str) -> str:
    """The name under which the store keeps a source's own column; LanceDB takes no dots, back-ticks or empty names.

    >>> _own_name("sepal.length"), _own_name(""), _own_name("width"), _own_name("predicted_species")
    ('sepal_length', 'unnamed', 'manifest_width', 'manifest_predicted_species')
    """
    name = re.sub(r"[.`]", "_", column).strip() or "unnamed"
    return f"{PREFIX}{name}" if is_predicted(name) else own_name(name)


def _is_text(type_: pa.DataType) -> bool:
    kind = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _is_picture(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        index = type_.get_field_index("bytes")
        return index >= 0 and _is_picture(type_.field(index).type)
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_))


def _all_urls(values: Sequence[object]) -> bool:
    texts = [value for value in values if isinstance(value, str) and value]
    return bool(texts) and all(is_url(value) for value in texts)


def _all_pages(values: Sequence[object]) -> bool:
    texts = [value for value in values if isinstance(value, str) and value]
    return bool(texts) and all(_PAGE.fullmatch(value.strip()) for value in texts)


def _listed(names: Sequence[str]) -> str:
    """Names in quotes, the first twenty of many."""
    shown = ", ".join(repr(name) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"
