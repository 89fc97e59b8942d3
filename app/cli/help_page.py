"""The options of a verb in `--help`: in sections by what they are for, the ones that matter most first, in plain words."""

import re
from typing import Any

FIRST = "Options"
MANY_QUERIES = "Many queries"
AMONG = "How sure, and among which names"
SECTIONS = {
    MANY_QUERIES: "queries column out strict",
    "Not like": "not_image not_text not_image_id not_taxon not_weight",
    "Which pictures": "within where limit near same_place same min_score at_most per sample map_sample split",
    "Names and labels": "labels_from backbone change_backbone conflicts types missing exif by_content strict",
    AMONG: "risk calibrate_on closed_set prior text_type templates cache",
    "How it is learnt": "shots shrinkage text_weight calibration v1_folds",
    "Pictures on servers": "contact allow check_remote",
    "Speed and machines": "batch_size workers readers picture_seconds device precision runtime decode exact vectors shard devices executor "
    "shards permutations seed",
    "What is written and printed": "out sheet figures sort_into by csv safe_csv json overwrite dry_run progress profile metrics help",
}
"""Sections in order, and the names in Python of their options; those in none, and those that must be given, stand first."""

_PLAIN = {"int range": "N", "int": "N", "float range": "X", "float": "X", "str": "WORD", "list[str]": "WORD"}


def write_options(command: Any, context: Any, formatter: Any) -> None:
    """Write what a command takes into its help: arguments, then options by section."""
    arguments = [one.get_help_record(context) for one in command.params if one.param_type_name == "argument"]
    if told := [(re.sub(r" <.*?>$", "", name), _plain(text)) for name, text in filter(None, arguments)]:
        with formatter.section("Arguments"):
            formatter.write_dl(told)
    options = [one for one in command.get_params(context) if one.param_type_name == "option"]
    placed: dict[str, list[tuple[str, str]]] = {title: [] for title in (FIRST, *SECTIONS)}
    names = {one.name for one in options}
    for one in options:
        if (record := one.get_help_record(context)) is not None:
            placed[_section(one, names)].append((_metavar(record[0]), _plain(record[1])))
    for title, records in placed.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _section(option: Any, names: set[str]) -> str:
    if option.required:
        return FIRST
    if option.name == "within" and "closed_set" in names:  # of names, where pictures are named
        return AMONG
    for title, listed in SECTIONS.items():
        if option.name in listed.split() and (title != MANY_QUERIES or "queries" in names):
            return title
    return FIRST


def _metavar(text: str) -> str:
    """An option and what it takes, without the types of Python.

    >>> _metavar("-k <int range>"), _metavar("--device <auto|cpu>")
    ('-k N', '--device auto|cpu')
    """
    return re.sub(r"<(.*?)>$", lambda found: _PLAIN.get(found[1], found[1]), text)


def _plain(text: str) -> str:
    """A line of help whose range and default are in words.

    >>> _plain("Number of hits.  [default: 10; x>=1]"), _plain("Encoder.  [default: (the store's, else tiny)]")
    ('Number of hits.  [default: 10; from 1 on]', "Encoder.  [default: the store's, else tiny]")
    >>> _plain("[-1<=x<=1]")
    '[from -1 to 1]'
    """
    text = re.sub(r"\[default: \((.*)\)(?=[;\]])", r"[default: \1", text)
    text = re.sub(r"(-?[\d.]+)<=?x<=?(-?[\d.]+)(?=\])", r"from \1 to \2", text)
    text = re.sub(r"x>=(-?[\d.]+)(?=\])", r"from \1 on", text)
    return re.sub(r"x<=(-?[\d.]+)(?=\])", r"up to \1", text)
