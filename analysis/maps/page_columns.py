"""The columns of a map's pictures as they may leave this machine: addresses of the web as they are, of files their names alone."""

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.embedding.records import id_of_uri

_OF_WEB = r"^(?i)https?://"
_LOCAL = r"^(?i)(/[^/]+/|[a-z]:[\\/]|\\\\|~/|file:)"
"""How the path of a file begins."""
_FOLDERS = r"^(?s).*[/\\]"
_SECRET = r"^(?i)(https?://)[^/@]*@"
"""A user's name and password before the name of a server."""


def shown_columns(schema: pa.Schema) -> list[str]:
    """Columns that a page can show: texts, numbers, times and truths; not vectors, lists and bytes.

    >>> shown_columns(pa.schema({"uri": pa.string(), "vector": pa.list_(pa.float16(), 4), "width": pa.int32()}))
    ['uri', 'width']
    """
    return [
        field.name
        for field in schema
        if not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type) and field.name != "content_hash"
    ]


def without_paths(table: pa.Table) -> pa.Table:
    """The same, but that no text tells a folder of this machine: `uri` is a web address or a file's name, and so is any text that begins as a path does.

    An `image_id` that is a path becomes the digits that stand for it. Names and passwords before the server of an address are left out.

    >>> table = pa.table({"image_id": ["/home/me/a.jpg"], "uri": ["/home/me/a.jpg"], "sheet": ["C:\\\\me\\\\b.csv"], "of": ["and/or"]})
    >>> without_paths(table).to_pylist()
    [{'image_id': '...', 'uri': 'a.jpg', 'sheet': 'b.csv', 'of': 'and/or'}]
    """
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
            continue
        # Arrow's regular expressions read UTF-8 alone, which texts of a store are.
        is_local = pc.match_substring_regex(column, _LOCAL)
        if name == "uri":
            is_local = pc.invert(pc.match_substring_regex(column, _OF_WEB))
        if name == "image_id":
            ids = column.to_pylist()
            plain = [
                id_of_uri(one) if one and local else one for one, local in zip(ids, is_local.to_pylist(), strict=True)
            ]
            cleaned: pa.Array | pa.ChunkedArray = pa.array(plain, column.type)
        else:
            cleaned = pc.if_else(is_local, pc.replace_substring_regex(column, _FOLDERS, ""), column)
            cleaned = pc.replace_substring_regex(cleaned, _SECRET, r"\1")
        table = table.set_column(place, name, cleaned)
    return table


def without_path(text: str) -> str:
    """One text, as `without_paths` has it: an encoder's name may be a folder.

    >>> without_path("/home/me/checkpoint"), without_path("timm:vit@512")
    ('checkpoint', 'timm:vit@512')
    """
    found: str = without_paths(pa.table({"text": [text]})).column("text")[0].as_py()
    return found
