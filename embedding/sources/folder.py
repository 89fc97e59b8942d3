"""Picture files: a folder with all that lies below it, the files that match a pattern, or a single file."""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import basename

import pyarrow as pa
from fsspec.utils import glob_translate

from cladescope.embedding.columns import is_url
from cladescope.embedding.labels import clean_labels, is_respelt, missing_words
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES, Found, Walk, counted, is_left_out
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)

_INAT21_ROLES = (*RANKS[:-1], "epithet")


class FolderSource:
    """Records of the picture files below a folder: all of them, or those that match a pattern.

    They come in the order of `Walk`. A picture has one address: where a folder is a link, its files are those of
    the place that it points to, and one that is reached without the link, or by another, comes once. Ranks are read from the deepest folder named as in iNaturalist 2021
    (`00001_Animalia_Arthropoda_Insecta_Lepidoptera_Nymphalidae_Vanessa_atalanta`); where there is none, the
    name of the folder in which a picture lies is its `label`, null directly in the root. Memory does not
    depend on the number of files, but for 16 bytes and a hash's place for each that is reached through a link.
    """

    extra_fields: tuple[pa.Field, ...] = (pa.field("label", pa.string()),)
    counts_beside = True

    def __init__(
        self,
        root: str,
        *,
        name: str,
        patterns: Sequence[str] = (),
        tables: Sequence[str] = (),
        by_content: bool = False,
    ) -> None:
        """`root` is an absolute path or a URL; `patterns` are relative to it, `**` stands for any folders. `tables` lie in it too.

        With `by_content` a file whose name says nothing is a picture where its first bytes say so.

        Raises InputError if the root cannot be read or nothing in it is a picture to offer.
        """
        self.name = name
        self.left_out: Mapping[str, int] = {}
        self.ignored: Mapping[str, int] = {}
        self._root, self._tables, self._by_content = root, tables, by_content
        self._patterns = [re.compile(glob_translate(pattern)) for pattern in patterns]
        deep = not patterns or any("**" in pattern for pattern in patterns)
        self._max_depth = None if deep else max(pattern.count("/") for pattern in patterns)
        walk = self._walk()
        if next(self._found(walk), None) is None:
            wanted = f"no picture that matches {' or '.join(patterns)}" if patterns else "no pictures"
            others = f", but {counted(walk.ignored)}" if walk.ignored else "" if patterns else ", it is empty"
            shards = "; for its shards, give 'FOLDER/*.tar'" if walk.ignored[".tar"] else ""
            raise InputError(
                f"found {wanted} in {root}{others}: expected files ending in {' '.join(sorted(PICTURE_SUFFIXES))}{shards}"
            )

    def count(self) -> int | None:
        """Number of picture files, by walking through all folders once more; None for a remote one, where that is slow."""
        return None if is_url(self._root) else sum(1 for _ in self._found(self._walk(asks=False)))

    def records(self) -> Iterator[Record]:
        """A record a picture file; an unreadable file or folder gives one with a `problem`."""
        walk = self._walk()
        folders: tuple[str, ...] | None = None
        labels: dict[str, str] = {}
        respelt, missing = False, tuple[str, ...]()
        for found in self._found(walk):
            if found.parts[:-1] != folders:
                folders = found.parts[:-1]
                place = f"{self._root}/{'/'.join(folders)}"
                raw = folder_ranks(place)
                labels, missing = clean_labels(raw), missing_words(raw)
                respelt = is_respelt(raw, labels)
            yield Record(
                image_id=id_of_uri(found.uri),
                uri=found.uri,
                source=self.name,
                labels=labels,
                respelt=respelt,
                missing=missing,
                extra={"label": folders[-1] if folders and not labels else None},
                problem=found.problem,
            )
        if self._tables:
            logger.info(
                "%s: its tables (%s) are not read: to embed the pictures that one names, with its labels, give the table",
                self._root, ", ".join(self._tables[:3]) + ", ..." * (len(self._tables) > 3),
            )  # fmt: skip
        self.left_out = dict(walk.skipped)
        self.ignored = {suffix or "without ending": n for suffix, n in walk.ignored.most_common()}

    def _walk(self, *, asks: bool = True) -> Walk:
        return Walk(self._root, asks=asks, max_depth=self._max_depth, by_content=self._by_content)

    def _found(self, walk: Walk) -> Iterator[Found]:
        through_links: set[bytes] = set()
        for found in walk:
            if self._patterns and not self._matches(found.parts):
                continue
            if found.linked:
                key = hashlib.blake2b(found.uri.encode(), digest_size=16).digest()
                if self._comes_without_link(found.uri) or key in through_links:
                    walk.skipped["pictures that a link leads to again"] += 1
                    continue
                through_links.add(key)
            yield found

    def _matches(self, parts: tuple[str, ...]) -> bool:
        relative = "/".join(parts)
        return not self._patterns or any(pattern.match(relative) for pattern in self._patterns)

    def _comes_without_link(self, path: str) -> bool:
        """Whether a file that was reached through a link is offered from its own folder too."""
        root = f"{self._root.rstrip('/')}/"
        if not path.startswith(root):
            return False
        parts = tuple(path.removeprefix(root).split("/"))
        return not any(is_left_out(part) for part in parts) and self._matches(parts)


class FileSource:
    """The one record of a picture file."""

    extra_fields: tuple[pa.Field, ...] = ()

    def __init__(self, uri: str, *, name: str) -> None:
        """`uri` is an absolute path or a URL; it is not opened."""
        self.name = name
        self._uri = uri

    def count(self) -> int | None:
        """One."""
        return 1

    def records(self) -> Iterator[Record]:
        """The record of the file."""
        folder = self._uri.removesuffix(basename(self._uri))
        raw = folder_ranks(folder)
        labels = clean_labels(raw)
        yield Record(
            image_id=id_of_uri(self._uri),
            uri=self._uri,
            source=self.name,
            labels=labels,
            respelt=is_respelt(raw, labels),
            missing=missing_words(raw),
        )


def folder_ranks(path: str) -> dict[str, str]:
    """Raw labels that the deepest folder named as in iNaturalist 2021 gives; none where there is no such folder.

    >>> clean_labels(folder_ranks("train/00009_Animalia_Arthropoda_Insecta___Vanessa_atalanta/more"))
    {'kingdom': 'Animalia', 'phylum': 'Arthropoda', 'class': 'Insecta', 'genus': 'Vanessa',
     'species': 'Vanessa atalanta'}
    """
    for folder in reversed(path.split("/")):
        number, *names = folder.split("_")
        if len(names) == len(_INAT21_ROLES) and number.isdecimal():
            return dict(zip(_INAT21_ROLES, names, strict=True))
    return {}
