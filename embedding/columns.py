"""What the columns of somebody's table mean: path, id, source, ranks, or a column of the source's own.

The same picture table is spelled in many ways (Darwin Core, TreeOfLife, pybioclip, GBIF, Hugging Face).
`plan_columns` maps one spelling to the store's names (`cladescope.schema`); `clean_labels` turns one row's
raw labels into stored ones: unknown values become null and `species` becomes the binomial. Nothing here reads
files, and no synonym is resolved.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from cladescope.errors import InputError
from cladescope.schema import OPTIONAL_FIELDS, own_name
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.spelling import stored_name, tidy

PATH_NAMES = (
    *("file", "path", "file_path", "file_name", "image_path", "image_file", "image", "uri", "image_uri"),
    *("url", "image_url", "identifier", "source_url"),
)
"""Names of a column of paths or URLs, the preferred first; `identifier` only where its values are URLs."""
PICTURE_NAMES = ("image", "image_bytes", "bytes")
"""Names of a column that holds encoded pictures: binary, or the struct {bytes, path} of Hugging Face."""
ID_NAMES = ("image_id", "uuid", "treeoflife_id", "evobio10m_id", "gbifID", "id")
SOURCE_NAMES = ("source", "data_source", "source_dataset", "dataset", "dataset_name")
LABEL_NAMES: Mapping[str, tuple[str, ...]] = {
    **{rank: (rank,) for rank in RANKS},
    "class": ("class", "cls"),
    "common_name": ("common_name", "common", "vernacular_name"),
    "epithet": ("species_epithet", "specific_epithet"),
    "scientific_name": ("scientific_name",),
}
OPTIONAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "observation_id": ("observation_id", "occurrence_id"),
    "licence": ("licence", "license", "license_name", "licence_name"),
    "rights_holder": ("rights_holder", "copyright_owner"),
}
NULL_NAMES = frozenset(
    {"", "unknown", "not_classified", "unidentified", "(unidentified)", "n/a", "nan", "none", "null"}
    | {"incertae sedis", "incertae_sedis"}
)
"""Values, in lower case, that say that a rank or common name is not known."""

_HELPERS = ("epithet", "scientific_name")
_EMPTY = frozenset({"", "n/a", "nan", "none", "null"})
_NOT_EPITHETS = frozenset(
    {"aff", "auct", "cf", "et", "ex", "ff", "nr", "sp", "spp", "ssp", "var"}
    | {"da", "de", "del", "den", "der", "des", "di", "dos", "du", "la", "le", "ter", "van", "von"}
)
_NAME = re.compile(r"([A-Z][a-zëï-]+) ([a-zëï][a-zëï-]+)(?: [(A-Z].*)?")
_NO_SPECIES = frozenset({"sp", "sp.", "spp", "spp."})
_BLANKS = re.compile(r"[ \t\r\n]+")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """Which column of a table plays which part; a part that no column plays is None or absent."""

    path: str | None = None
    """Column of paths or URLs."""
    picture: str | None = None
    """Column of encoded pictures; it is preferred to `path`."""
    image_id: str | None = None
    source: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Column of each rank, of `common_name`, and of the helpers `epithet` and `scientific_name`."""
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
) -> ColumnPlan:
    """Part of each column of a table with this `schema`, whatever its spelling.

    Case, `_`, `-` and spaces make no difference. `head` holds some first values by column; without them
    `identifier` is not taken for a path. Columns named in `apart` are left out (a vector column, say). Where
    two columns could be the path, the id, the source or an optional column, the more usual name wins and the
    other is kept as the source's own. A rank column that holds no text (class numbers) is the source's own
    too. `epithet` and `scientific_name` help to find the species and are also kept as they came. A column
    whose name the store or a result needs itself gets the prefix `manifest_`; a dot in a name becomes `_`, and an empty
    name, as a spreadsheet's index column has, `unnamed`.

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
        found = _spelled(text, spellings, order=schema.names)
        if len(found) > 1 and role in RANKS:
            raise InputError(
                f"columns {found[0]!r} and {found[1]!r} both give the {role}: rename or remove one of them"
            )
        if found:
            labels[role] = found[0]
    optional = {}
    for role, spellings in OPTIONAL_NAMES.items():
        if found := _spelled(written, spellings, order=schema.names):
            optional[role] = found[0]
    paths = [name for name in text if _squash(name) != "identifier" or name in urls]
    path = _first(paths, PATH_NAMES, order=schema.names)
    picture = _first([name for name, type_ in types.items() if _is_picture(type_)], PICTURE_NAMES, order=schema.names)
    if needs_picture and path is None and picture is None:
        raise InputError(
            f"found no column of pictures among {_listed(schema.names)}: expected paths or URLs in a text "
            f"column named {', '.join(PATH_NAMES)} (identifier where its values are URLs), or pictures in a "
            f"binary column named {', '.join(PICTURE_NAMES)}; rename yours{_separator_hint(schema.names)}"
        )
    image_id = _first(written, ID_NAMES, order=schema.names)
    source = _first(text, SOURCE_NAMES, order=schema.names)

    used = {picture, image_id, source, *optional.values()} | {labels[role] for role in labels if role not in _HELPERS}
    used.add(path if picture is None else None)
    extra = {_own_name(name): name for name in types if name not in used}
    if len(extra) < len(types.keys() - used):
        clash = next(name for name in types.keys() - used if extra[_own_name(name)] != name)
        raise InputError(
            f"column {clash!r} would be stored as {_own_name(clash)!r}, which is another column: rename it"
        )
    fields = tuple(
        pa.field(name, types[column], metadata=None if name == column else {"source_column": column})
        for name, column in extra.items()
    )
    return ColumnPlan(
        path=path,
        picture=picture,
        image_id=image_id,
        source=source,
        labels=labels,
        optional=optional,
        extra=extra,
        extra_fields=fields,
    )


def renamed_columns(fields: Iterable[pa.Field]) -> dict[str, str]:
    """Columns of a source that the store keeps under another name, and that name; from a plan's `extra_fields`.

    >>> plan = plan_columns(pa.schema({"file": pa.string(), "score": pa.float64(), "sex": pa.string()}))
    >>> renamed_columns(plan.extra_fields)
    {'score': 'manifest_score'}
    """
    return {field.metadata[b"source_column"].decode(): field.name for field in fields if field.metadata}


def clean_labels(raw: Mapping[str, str | None]) -> dict[str, str]:
    """Labels as the store keeps them, from one row's raw values; nulls are left out.

    `raw` holds values by part, as in `ColumnPlan.labels` and `ColumnPlan.optional`. Names of taxa are spelt as
    `cladescope.taxonomy.spelling.stored_name` says.

    >>> clean_labels({"order": "unknown", "genus": "vanessa", "species": "atalanta", "licence": "CC0"})
    {'genus': 'Vanessa', 'species': 'Vanessa atalanta', 'licence': 'CC0'}
    """
    names = {part: clean_name(raw.get(part)) for part in (*RANKS, "common_name", *_HELPERS)}
    genus = names["genus"]
    names["species"] = binomial(genus, names["species"], *(names.pop(helper) for helper in _HELPERS))
    labels = {part: name and (stored_name(name, part) if part in RANKS else name) for part, name in names.items()}
    if genus and names["species"] and names["species"].startswith(f"{genus} "):
        labels["species"] = stored_name(f"{labels['genus']}{names['species'].removeprefix(genus)}", "species")
    labels |= {stored.name: clean_text(raw.get(stored.name)) for stored in OPTIONAL_FIELDS}
    return {name: value for name, value in labels.items() if value is not None}


def is_respelt(raw: Mapping[str, str | None], labels: Mapping[str, str | None]) -> bool:
    """Whether a taxon's name in clean labels is spelt otherwise than in the raw values, plain blanks around it apart.

    >>> raw = {"genus": "Parus", "species": "Parus\u00a0major"}
    >>> is_respelt(raw, clean_labels(raw)), is_respelt({"genus": " Parus"}, {"genus": "Parus"})
    (True, False)
    """
    for rank in RANKS:
        stored = labels.get(rank)
        if stored is None:
            continue
        parts = (rank,) if rank != "species" else (rank, *_HELPERS)
        written = [_BLANKS.sub(" ", value).strip(" ") for part in parts if (value := raw.get(part))]
        if not any(name == stored or (rank == "species" and _is_part(name, stored)) for name in written):
            return True
    return False


def _is_part(name: str, species: str) -> bool:
    """Whether a column's text gives a species its letters: the epithet of it, or it with its author."""
    return bool(name) and (species.endswith(f" {name}") or name.startswith(species))


def clean_name(value: str | None) -> str | None:
    """A name in tidy form, with its letters as they are, or None where the value says that it is not known.

    >>> clean_name(" Incertae  sedis"), clean_name(" Vanessa\u00a0 atalanta")
    (None, 'Vanessa atalanta')
    """
    if value is None:
        return None
    value = tidy(value)
    return None if value.lower() in NULL_NAMES else value


def clean_text(value: str | None) -> str | None:
    """The value of an optional column, or None where it is empty; `unknown` is a value here, as of a licence.

    >>> clean_text(" NaN "), clean_text("unknown ")
    (None, 'unknown')
    """
    if value is None:
        return None
    value = value.strip()
    return None if value.lower() in _EMPTY else value


def binomial(genus: str | None, species: str | None, epithet: str | None, scientific_name: str | None) -> str | None:
    """The species as a binomial, from clean names, or None where they give none.

    It is the species column's own value where that is one, else genus and epithet, else the first two words
    of the scientific name where they plainly are a binomial of the same genus. `Amanita sp.` and a lone
    epithet name no species.

    >>> binomial("Vanessa", None, "atalanta", None), binomial(None, None, None, "Vanessa atalanta (L., 1758)")
    ('Vanessa atalanta', 'Vanessa atalanta')
    """
    return _of_genus(genus, species) or _of_genus(genus, epithet) or _of_scientific_name(genus, scientific_name)


def is_url(text: str) -> bool:
    """Whether a text names a scheme, as `https://` or `s3://` do.

    >>> is_url("s3://bucket/tit.jpg"), is_url("C:/tit.jpg")
    (True, False)
    """
    return _URL.match(text) is not None


def _of_genus(genus: str | None, species: str | None) -> str | None:
    """The binomial that a species or epithet column means beside its genus, or None where it means none."""
    if not species or species == genus:
        return None
    if " " not in species:
        species = " ".join(species.replace("_", " ").split())
    first, _, rest = species.partition(" ")
    if not first or (rest or first).lower() in _NO_SPECIES:
        return None
    if genus is None:
        return species if rest else None
    if rest and (first[0].isupper() or species.lower().startswith(f"{genus.lower()} ")):
        return species
    return None if species == genus else f"{genus} {species}"


def _of_scientific_name(genus: str | None, name: str | None) -> str | None:
    """The binomial at the start of a scientific name with or without author; None for anything less plain."""
    found = _NAME.fullmatch(name) if name else None
    if found is None or found[2] in _NOT_EPITHETS or (genus or found[1]).lower() != found[1].lower():
        return None
    return f"{found[1]} {found[2]}"


def _squash(name: str) -> str:
    return re.sub(r"^(dwc|dcterms):|[\s_.-]", "", name.strip().lower())


def _spelled(names: Collection[str], spellings: Sequence[str], *, order: Sequence[str]) -> list[str]:
    """Those of `names` that are one of `spellings`, the more usual first, then in the table's order."""
    usual = {_squash(spelling): position for position, spelling in enumerate(spellings)}
    found = [name for name in order if name in names and _squash(name) in usual]
    return sorted(found, key=lambda name: usual[_squash(name)])


def _first(names: Collection[str], spellings: Sequence[str], *, order: Sequence[str]) -> str | None:
    return next(iter(_spelled(names, spellings, order=order)), None)


def _own_name(column: str) -> str:
    """The name under which the store keeps a source's own column; LanceDB takes no dots, back-ticks or empty names.

    >>> _own_name("sepal.length"), _own_name(""), _own_name("width")
    ('sepal_length', 'unnamed', 'manifest_width')
    """
    name = re.sub(r"[.`]", "_", column).strip() or "unnamed"
    return own_name(name)


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


def _separator_hint(names: Sequence[str]) -> str:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return "; the only column holds separators: a .csv is separated by commas, a .tsv by tabs"
    return ""


def _listed(names: Sequence[str]) -> str:
    """Names in quotes, the first twenty of many."""
    shown = ", ".join(repr(name) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"
