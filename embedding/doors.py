"""The doors: every kind of source that is understood, and by what it is known. `cladescope sources` lists them."""

import re
from collections.abc import Callable, Collection
from fnmatch import fnmatch
from typing import NamedTuple


class Door(NamedTuple):
    """A kind of source."""

    name: str
    known_by: str
    """How a source of this kind is recognised, in words."""
    columns: tuple[str, ...] = ()
    """Columns that make a table one of this kind; none for what is no table."""
    files: tuple[str, ...] = ()
    """Files that make a folder or .zip one of this kind, all of them; of names with `|` between them, one. With `~` and a word, its
    first rows must hold the word."""
    module: str = ""
    """Module of `cladescope.embedding.sources` whose `open_package` opens such a folder or .zip, and whose `open_table` a file of
    text with all of `columns`."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Columns or files by which it is known, in words.

        >>> Door("a", "b", files=("t.csv|t.csv.gz~uuid",)).marks
        ('t.csv or t.csv.gz',)
        """
        return self.columns or tuple(file.partition("~")[0].replace("|", " or ") for file in self.files)


DOORS = (
    Door("folder", "a folder of pictures; iNaturalist 2021's folder names give ranks"),
    Door("picture", "a file of a picture, or a quoted pattern of such files"),
    Door("shards", "WebDataset .tar files, as of TreeOfLife: pictures and texts that share a key"),
    Door("manifest", "a table with a row a picture and a column of paths or URLs", ("file",)),
    Door("pictures in a table", "a .parquet with a binary column, as of Hugging Face", ("image",)),
    Door("regions", "a manifest whose rows are boxes of pictures", ("file", "bbox")),
    Door("iNaturalist export", "a table as iNaturalist exports it", ("image_url", "scientific_name", "observed_on")),
    Door(
        "iNaturalist open data",
        "a folder of the four tables of its open data, compressed or not; pictures are fetched from its bucket",
        files=("photos.csv|photos.csv.gz~photo_uuid",),
        module="inaturalist_open_data",
    ),
    Door(
        "EOL media with taxa",
        "a folder of EOL's media manifests and the Dynamic Hierarchy's taxon.tab; pictures are fetched from EOL",
        files=("taxon.tab~eolid", "media_manifest*.csv|media_manifest*.csv.gz"),
        module="eol",
    ),
    Door("EOL media manifest", "the full-size copies of EOL's media", ("EOL content ID", "EOL Full-Size Copy URL")),
    Door(
        "LILA camera traps",
        "LILA's table of all its pictures and labels",
        ("url_gcp", "original_label", "scientific_name"),
    ),
    Door("GBIF multimedia", "a table whose identifiers are URLs of pictures", ("gbifID", "identifier")),
    Door("Timelapse", "a table of file names and their folders", ("File", "RelativePath")),
    Door(
        "Camtrap DP",
        "a folder or .zip of deployments, media and observations of camera traps, or its datapackage.json",
        files=("datapackage.json~camtrap",),
        module="camtrap_dp",
    ),
    Door(
        "Camtrap DP's tables",
        "the same without a descriptor",
        files=("deployments.csv", "media.csv", "observations.csv"),
        module="camtrap_dp",
    ),
    Door(
        "Wildlife Insights",
        "an export's images.csv, or its folder or .zip with deployments.csv and the others",
        ("wi_taxon_id", "location"),
        files=("images.csv|images_*.csv~wi_taxon_id",),
        module="wildlife_insights",
    ),
    Door(
        "BIOSCAN-1M",
        "the release's metadata beside its images/",
        ("processid", "image_file", "chunk_number"),
        module="bioscan",
    ),
    Door(
        "BIOSCAN-5M", "the release's metadata beside its images/", ("processid", "dna_bin", "split"), module="bioscan"
    ),
    Door(
        "Darwin Core archive",
        "a .zip or folder with meta.xml, of occurrences with multimedia, as of GBIF: a record a picture of an occurrence",
        files=("meta.xml",),
        module="darwin_core",
    ),
    Door(
        "GBIF download without meta.xml",
        "a .zip or folder with occurrence.txt and multimedia.txt",
        files=("occurrence.txt", "multimedia.txt"),
        module="darwin_core",
    ),
    Door("MegaDetector", "a .json of 'images' with 'detections': a region a detection"),
    Door("COCO, iNaturalist 2021", "a .json of 'images' and 'annotations': a region an annotation"),
)
"""All kinds, the usual ones first."""


def nearest_door(columns: Collection[str]) -> Door:
    """The kind of table whose columns a table has the largest share of, in any spelling; of several the one with most.

    >>> nearest_door(["RelativePath", "Species", "DateTime"]).name
    'Timelapse'
    """
    found = {_squashed(name) for name in columns}

    def share(door: Door) -> tuple[float, int]:
        n_found = sum(_squashed(name) in found for name in door.columns)
        return n_found / len(door.columns), n_found

    return max((door for door in DOORS if door.columns), key=share)


def door_of(holds: Callable[[str], bool]) -> Door | None:
    """The kind of package that a folder or .zip is; `holds` says whether it has a file.

    >>> door_of(lambda name: name == "holiday.txt")
    """
    return next((door for door in DOORS if door.files and all(map(holds, door.files))), None)


def nearest_package(names: Collection[str]) -> Door | None:
    """The kind of package of whose files a folder has the largest share, some but not all of them; None where it has none.

    >>> nearest_package(["deployments.csv", "observations.csv", "README.md"]).name
    "Camtrap DP's tables"
    """

    def share(door: Door) -> float:
        wanted = [file.partition("~")[0].split("|") for file in door.files]
        n_found = sum(any(fnmatch(name, one) for one in ways for name in names) for ways in wanted)
        return n_found / len(wanted) if n_found < len(wanted) else 0.0

    found = max((door for door in DOORS if door.files), key=share)
    return found if share(found) else None


def table_door(columns: Collection[str]) -> Door | None:
    """The kind of table that is opened by a module of its own, by the columns of a file of text.

    >>> table_door(["processid", "image_file", "chunk_number", "phylum"]).name
    'BIOSCAN-1M'
    """
    found = {_squashed(name) for name in columns}
    own = (door for door in DOORS if door.columns and door.module)
    return next((door for door in own if found.issuperset(map(_squashed, door.columns))), None)


def _squashed(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).lower()
