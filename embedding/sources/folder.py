"""Picture files: a folder with all that lies below it, the files that match a pattern, or a single file."""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from fsspec.utils import glob_translate

from cladescope.embedding.columns import is_url
from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES, Found, Walk, counted, is_left_out
from cladescope.errors import InputError
from cladescope.schema import LABEL

logger = logging.getLogger(__name__)


class FolderSource:
    """Records of the picture files below a folder: all of them, or those that match a pattern.

    They come in the order of `Walk`. A picture has one address: where a folder is a link, its files are those of
    the place that it points to, and one that is reached without the link, or by another, comes once. Ranks are read from the deepest folder named as in iNaturalist 2021
    (`00001_Animalia_Arthropoda_Insecta_Lepidoptera_Nymphalidae_Vanessa_atalanta`), else from the names of folders and files that are
    names of taxa (`folder_labels`); the deepest folder whose name says something is the `label`. Memory does not
    depend on the number of files, but for 16 bytes and a hash's place for each that is reached through a link, and the names of folders.
    """

    counts_beside = True

    def __init__(
        self,
        root: str,
        *,
        name: str,
        patterns: Sequence[str] = (),
        tables: Sequence[str] = (),
        by_content: bool = False,
        labels: FolderLabels | None = None,
    ) -> None:
        """`root` is an absolute path or a URL; `patterns` are relative to it, `**` stands for any folders. `tables` lie in it too.

        With `by_content` a file whose name says nothing is a picture where its first bytes say so. `labels` say how labels are read.

        Raises InputError if the root cannot be read or nothing in it is a picture to offer.
        """
        self.name = name
        self.labels = labels or FolderLabels()
        self.extra_fields: tuple[pa.Field, ...] = tuple(
            pa.field(column, pa.string()) for column in (LABEL, *self.labels.columns.values())
        )
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
        self.labels.start_over()
        for found in self._found(walk):
            said = self.labels.of(self._root, found.parts)
            yield Record(
                image_id=id_of_uri(found.uri),
                uri=found.uri,
                source=self.name,
                labels=said.labels,
                respelt=said.respelt,
                missing=said.missing,
                extra=said.extra,
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

    def __init__(self, uri: str, *, name: str, labels: FolderLabels | None = None) -> None:
        """`uri` is an absolute path or a URL; it is not opened. `labels` say how labels are read from its place and its name."""
        self.name = name
        self.labels = labels or FolderLabels()
        self._uri = uri

    def count(self) -> int | None:
        """One."""
        return 1

    def records(self) -> Iterator[Record]:
        """The record of the file."""
        self.labels.start_over()
        folder, _, own = self._uri.rpartition("/")
        said = self.labels.of(folder, (own,))
        yield Record(
            image_id=id_of_uri(self._uri),
            uri=self._uri,
            source=self.name,
            labels=said.labels,
            respelt=said.respelt,
            missing=said.missing,
        )
