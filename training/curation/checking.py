"""What can be known of a configuration before anything starts: that what it names is there, and that packages for it are."""

import os
from collections.abc import Iterator
from pathlib import Path

from cladescope.embedding.folder_labels import FolderLabels
from cladescope.embedding.locations import local_path
from cladescope.embedding.sources import check_kind
from cladescope.errors import ConfigError
from cladescope.index.croissant_parts import check_about
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.excluded_lists import read_ids, read_taxa
from cladescope.training.curation.flag import support_of
from cladescope.training.curation.name_files import check_name_file
from cladescope.training.curation.pdq import check_installed
from cladescope.training.curation.people import check_detections

_PATTERN = frozenset("*?[{")


def check(config: CurateConfig) -> None:
    """Raises ConfigError with all places that a configuration names and that are not there; InputError where a package is missing, `about` describes files, or a
    backbone, list or table that is there cannot be read as one, or a file is no source.

    >>> from cladescope.training.curation.sections import DuplicatesConfig, SourceConfig
    >>> sources = (SourceConfig(name="a", path="/nowhere/a"),)
    >>> check(CurateConfig(sources=sources, duplicates=DuplicatesConfig(near="copies")))
    Traceback (most recent call last):
    cladescope.errors.ConfigError: the path of source a is /nowhere/a, which is not there: check the name
    """
    check_about(config.about, "about")
    check_installed(config)
    missing = [
        f"{what} is {path}, which is not there: check the name" for what, path in _named(config) if _is_missing(path)
    ]
    if missing:
        raise ConfigError(missing)
    _read(config)


def _read(config: CurateConfig) -> None:
    """Read what later stages will read, but for pictures and their sources. Raises InputError, UsageError or EncoderError for what they could not use."""
    if config.names.backbone:
        Backbone.open(Path(config.names.backbone))
    words = {"backbone", "record", *(one.name for one in config.sources)}
    for name in config.names.common_names:
        if name not in words:
            check_name_file(Path(name))
    for source in config.sources:
        if source.labels_from:
            FolderLabels(source.labels_from)
        check_kind(source.path)
    for one in config.exclude:
        if one.pictures:
            check_kind(one.pictures)
        if one.taxa:
            read_taxa(Path(one.taxa))
        if one.ids:
            read_ids(Path(one.ids))
    for path in config.people.detections:
        check_detections(Path(path))
    if config.kinds.support:
        support_of(config.kinds.support)


def _named(config: CurateConfig) -> Iterator[tuple[str, str]]:
    """Places with what names them."""
    for source in config.sources:
        yield f"the path of source {source.name}", source.path
    yield "names.backbone", config.names.backbone
    words = {"backbone", "record", *(one.name for one in config.sources)}
    for name in config.names.common_names:
        if name not in words:
            yield "a file of names.common_names", name
    for one in config.exclude:
        for key in ("taxa", "pictures", "ids"):
            yield f"exclude.{key}", getattr(one, key)
    for path in config.people.detections:
        yield "a file of people.detections", path
    yield "kinds.support", config.kinds.support


def _is_missing(path: str) -> bool:
    """Whether a place of this machine is not there; of patterns and addresses that is not asked."""
    place = local_path(path) if path else None
    return place is not None and not _PATTERN & set(place) and not os.path.lexists(place)
