"""The statements that turn the tables of a Darwin Core archive into rows of pictures.

`occurrence` and `media` are tables or views of text with a `line` and a `key`, the archive's own id of an occurrence.
"""

from collections.abc import Collection, Mapping, Sequence

from cladescope.embedding.sources.darwin_core_terms import ID_TERMS, LABEL_TERMS, OWN_TERMS, PICTURE_TERMS
from cladescope.embedding.sources.joined import Joining
from cladescope.taxonomy import RANKS

BARE = "occurrences without pictures"
REPEATED = "occurrences whose id came before"
AGAIN = "media listed again in their occurrence"
UNUSED = ("media without an occurrence", "media that are no still images", "media without an address")
RANGE = 100_000
"""Occurrences whose pictures are had by one SELECT."""
_OTHER_KINDS = (
    r"(^|[/:#])(collection|dataset|event|interactive ?resource|moving ?image|movie|video|physical ?object|service|software"
    r"|sound|audio|text|document|html|pdf)s?($|/)"
)
_OTHER_FORMATS = r"^(audio|video|text)/|^application/(pdf|zip|json|xml)|^(mp3|mp4|wav|pdf|html?)$"
_OTHER_ENDINGS = r"\.(mp3|mp4|m4a|m4v|wav|ogg|mov|avi|mpe?g|flac|webm|pdf|html?)$"
_IS_PICTURE = f"""NOT coalesce(regexp_matches(trim(type), '{_OTHER_KINDS}', 'i'), false)
    AND NOT coalesce(regexp_matches(trim(format), '{_OTHER_FORMATS}', 'i'), false)
    AND NOT (type IS NULL AND format IS NULL AND coalesce(regexp_matches(path, '{_OTHER_ENDINGS}', 'i'), false))"""
"""Whether a medium may be a still image: its type and format, which publishers swap and spell as they like, name nothing else; or where it has neither by the end of its address."""


def make_occurrences(
    joining: Joining, table: str, terms: Collection[str], defaults: Mapping[str, str], *, has_key: bool
) -> None:
    """Make the view `occurrence` of a table as it was read; where a row has no value of a term, it has the term's default."""
    key = _present("key") if has_key else "CAST(line AS VARCHAR)"
    values = ", ".join(
        f"{_or_default(term, terms, defaults)} AS {quoted(term)}" for term in sorted({*terms, *defaults})
    )
    joining.run(f"CREATE VIEW occurrence AS SELECT line, {key} AS key{', ' + values if values else ''} FROM {table}")


def add_media(joining: Joining, table: str, terms: Collection[str], defaults: Mapping[str, str]) -> None:
    """Put the rows of an extension into the table `media`, under the names of `PICTURE_TERMS`."""
    said = [f"CAST({_first(choices, terms, defaults)} AS VARCHAR) AS {part}" for part, choices in PICTURE_TERMS.items()]
    make = "INSERT INTO media" if joining.has("media") else "CREATE TABLE media AS"
    start = joining.count("FROM media") if joining.has("media") else 0
    joining.run(f"{make} SELECT line + {start} AS line, {_present('key')} AS key, {', '.join(said)} FROM {table}")


def split_media(joining: Joining, separator: str | None) -> None:
    """Make the table `media` of the addresses in the occurrences' `associatedMedia`, between `|` or what `meta.xml` says."""
    value = r"""regexp_replace("associatedMedia", '\s*[;,]\s*(https?://)', '|\1', 'gi')"""
    if separator and separator.strip():
        value = f"replace({value}, {literal(separator)}, '|')"
    others = ", ".join(f"CAST(NULL AS VARCHAR) AS {part}" for part in PICTURE_TERMS if part != "path")
    joining.run(f"""
        CREATE TABLE media AS SELECT row_number() OVER (ORDER BY line, place) AS line, key, path, {others} FROM (
            SELECT line, key, unnest(range(len(parts))) AS place, trim(unnest(parts)) AS path
            FROM (SELECT line, key, string_split({value}, '|') AS parts FROM occurrence WHERE "associatedMedia" IS NOT NULL)
        ) WHERE path <> ''""")


def choose_pictures(joining: Joining) -> dict[str, int]:
    """Make the table `picture` out of `media`, each once an occurrence and by these; what is not in it, in words, and how many."""
    joining.run("CREATE TABLE known AS SELECT key, min(line) AS line, count(*) AS n FROM occurrence GROUP BY key")
    joining.run(f"""
        CREATE TABLE judged AS
        SELECT media.line AS line, known.line AS occurrence, path,
            CASE WHEN known.line IS NULL THEN 1 WHEN NOT ({_IS_PICTURE}) THEN 2 WHEN path IS NULL THEN 3 ELSE 0 END AS fault
        FROM media LEFT JOIN known ON media.key = known.key""")
    joining.run("""
        CREATE TABLE good AS SELECT occurrence, min(line) AS line FROM judged WHERE fault = 0 GROUP BY occurrence, path""")
    faults = dict(joining.run("SELECT fault, count(*) FROM judged GROUP BY fault"))
    n_good = joining.count("FROM good")
    n_occurrences, n_known = joining.count("FROM occurrence"), joining.count("FROM known")
    n_shown = int(joining.run("SELECT count(DISTINCT occurrence) FROM good")[0][0])
    kept = ", ".join(PICTURE_TERMS)
    joining.run("DROP TABLE judged")
    joining.run(f"""
        CREATE TABLE picture AS SELECT occurrence, media.line AS line, {kept} FROM good JOIN media ON media.line = good.line
        ORDER BY occurrence, media.line""")
    joining.run("DROP TABLE good")
    joining.run("DROP TABLE media")
    return {
        **{words: faults.get(fault, 0) for fault, words in enumerate(UNUSED, start=1)},
        AGAIN: faults.get(0, 0) - n_good,
        REPEATED: n_occurrences - n_known,
        BARE: n_known - n_shown,
    }


def picture_rows(joining: Joining, terms: Collection[str]) -> list[str]:
    """The SELECTs of one row a picture, an occurrence's together; `terms` are the columns of `occurrence`.

    Each is of a range of occurrences, so that no sort of all rows is needed. Terms of which no occurrence has a value are left out.
    """
    counted = ", ".join(f"count({quoted(term)})" for term in terms)
    filled = joining.run(f"SELECT {counted} FROM occurrence")[0] if terms else ()
    there = {term for term, n in zip(terms, filled, strict=True) if n}
    named = ", ".join([*(f"o.{quoted(term)}" for term in ID_TERMS if term in there), "o.key"])
    columns = {
        "image_id": f"md5(concat(coalesce({named}), chr(10), m.path))",
        "file": "m.path",
        "observation_id": f"coalesce({named})",
        "licence": _of_both("m.licence", "license", there),
        "rights_holder": _of_both("m.rights_holder", "rightsHolder", there),
        **{term: _label(term, there) for term in LABEL_TERMS if term in there or _label(term, there) != "NULL"},
        **({"qualifier": 'o."identificationQualifier"'} if "identificationQualifier" in there else {}),
        **{term: f"o.{quoted(term)}" for term in OWN_TERMS if term in there},
        **{
            part: f"m.{part}"
            for part in ("creator", "title", "created")
            if joining.count(f"FROM picture WHERE {part} IS NOT NULL")
        },
    }
    values = ", ".join(f"CAST({value} AS VARCHAR) AS {quoted(name)}" for name, value in columns.items())
    n_occurrences = joining.count("FROM occurrence")
    return [
        f"""SELECT {values} FROM picture m JOIN occurrence o ON o.line = m.occurrence
        WHERE m.occurrence BETWEEN {start} AND {start + RANGE - 1} AND o.line BETWEEN {start} AND {start + RANGE - 1}
        ORDER BY o.line, m.line"""
        for start in range(1, n_occurrences + 1, RANGE)
    ]


def _first(choices: Sequence[str], terms: Collection[str], defaults: Mapping[str, str]) -> str:
    """The first of some terms that has a value; an `identifier` beside an `accessURI` only where it is an address."""
    there = {term: f"nullif(trim({quoted(term)}), '')" for term in choices if term in terms}
    if there.keys() >= {"accessURI", "identifier"}:
        there["identifier"] = f"CASE WHEN {there['identifier']} LIKE '%://%' THEN {there['identifier']} END"
    values = [*there.values(), *(literal(defaults[term]) for term in choices if term in defaults)]
    return f"coalesce({', '.join(values)})" if values else "NULL"


def _label(term: str, there: Collection[str]) -> str:
    """A rank's own column, else the scientific name where it is of that rank."""
    own = f"o.{quoted(term)}" if term in there else "NULL"
    if term not in RANKS[:-1] or not {"scientificName", "taxonRank"} <= set(there):
        return own
    return f'coalesce({own}, CASE WHEN lower(trim(o."taxonRank")) = \'{term}\' THEN o."scientificName" END)'


def _of_both(picture: str, term: str, there: Collection[str]) -> str:
    return f"coalesce({picture}, o.{quoted(term)})" if term in there else picture


def _or_default(term: str, terms: Collection[str], defaults: Mapping[str, str]) -> str:
    if term not in terms:
        return literal(defaults[term])
    return f"coalesce({quoted(term)}, {literal(defaults[term])})" if term in defaults else quoted(term)


def _present(column: str) -> str:
    return f"nullif(trim({column}), '')"


def quoted(name: str) -> str:
    """A name as SQL takes any.

    >>> quoted("order")
    '"order"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it.

    >>> literal("d'Orbigny")
    "'d''Orbigny'"
    """
    return "'" + text.replace("'", "''") + "'"
