"""Dates in the names of folders and files, as people and cameras write them."""

import re
from typing import Final

_MONTHS: Final = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "januar",
        "jänner",
        "februar",
        "märz",
        "mai",
        "juni",
        "juli",
        "oktober",
        "dezember",
        "janvier",
        "février",
        "fevrier",
        "mars",
        "avril",
        "juin",
        "juillet",
        "août",
        "aout",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
        "decembre",
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "setiembre",
        "octubre",
        "noviembre",
        "diciembre",
        "gennaio",
        "febbraio",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "settembre",
        "ottobre",
        "dicembre",
        "janeiro",
        "fevereiro",
        "março",
        "marco",
        "maio",
        "junho",
        "julho",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
        "januari",
        "februari",
        "maart",
        "mei",
        "augustus",
    ]
)
_WEEKDAYS: Final = frozenset(
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "montag",
        "dienstag",
        "mittwoch",
        "donnerstag",
        "freitag",
        "samstag",
        "sonntag",
        "lundi",
        "mardi",
        "mercredi",
        "jeudi",
        "vendredi",
        "samedi",
        "dimanche",
        "lunes",
        "martes",
        "miércoles",
        "miercoles",
        "jueves",
        "viernes",
        "sábado",
        "sabado",
        "domingo",
        "spring",
        "summer",
        "autumn",
        "fall",
        "winter",
        "frühling",
        "sommer",
        "herbst",
        "printemps",
        "été",
        "automne",
        "hiver",
        "primavera",
        "verano",
        "otoño",
        "invierno",
    ]
)
_STRONG: Final = (
    _MONTHS
    | _WEEKDAYS
    | frozenset(
        ["jan", "feb", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "okt", "dez", "mrz", "mär"]
    )
)
"""Words that are a date by themselves."""
_BESIDE_NUMBERS: Final = frozenset(
    [
        "mar",
        "set",
        "gen",
        "mag",
        "out",
        "ago",
        "abr",
        "ene",
        "fev",
        "avr",
        "juil",
        "dic",
        "giu",
        "lug",
        "ott",
        "mrt",
        "déc",
        "fév",
        "mon",
        "tue",
        "tues",
        "wed",
        "thu",
        "thur",
        "thurs",
        "fri",
        "sat",
        "sun",
        "st",
        "nd",
        "rd",
        "th",
        "h",
        "m",
        "s",
        "t",
        "z",
        "am",
        "pm",
        "to",
        "bis",
        "until",
        "till",
        "day",
        "days",
        "night",
        "week",
        "wk",
        "kw",
        "month",
        "year",
        "time",
        "date",
        "hrs",
        "hr",
        "min",
        "sec",
        "of",
        "de",
        "le",
        "el",
        "der",
        "den",
        "morning",
        "evening",
        "afternoon",
        "early",
        "mid",
        "late",
        "utc",
        "gmt",
    ]
)
"""Words that belong to a date where a number stands beside them."""
_NUMBER_DATES: Final = re.compile(
    r"(?:19|20)\d{6}(?:[-_. :T]+\d+)+|(?:19|20)\d\d(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6}|\d{9})?)?)?"
    r"|\d{1,4}[-_. /:]+\d{1,2}[-_. /:]+\d{1,4}(?:[-_. /:T]+\d+)*"
    r"|(?:19|20)\d\d[-_. /:]+\d+(?:[-_. /:T]+\d+)*|\d{1,2}[-_. /]+(?:19|20)\d\d|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d"
)
"""Numbers that are a date: a year, `20240503`, `2024-05-03 10:22`, `3.5.24`, `05-2024`, `03052024`."""
_RUNS: Final = re.compile(r"\d+|[^\W\d_]+")
_BETWEEN: Final = re.compile(r"[\s_]+")


def is_date(text: str) -> bool:
    """Whether a text is a date or a time and nothing else: numbers, months, weekdays and seasons in the larger languages of Europe.

    >>> [is_date(text) for text in ("2024-05-03", "20240503_1022", "May 2024", "3rd of June", "Sommer 23", "12", "Ciconia 2024")]
    [True, True, True, True, True, False, False]
    """
    bare = text.strip(" _-.,()[]")
    if _NUMBER_DATES.fullmatch(bare) or _NUMBER_DATES.fullmatch(_BETWEEN.sub("-", bare)):
        return True
    runs = [run.casefold() for run in _RUNS.findall(bare)]
    words, n_numbers = [run for run in runs if not run.isdigit()], sum(run.isdigit() for run in runs)
    if not words or not re.fullmatch(r"[\w\s.,:'/()\[\]-]+", bare):
        return False
    if n_numbers == 0 and len(words) > 1 and len(set(words)) == 1:
        return False  # Martes martes is no Tuesday
    if any(word in _STRONG for word in words):
        return all(word in _STRONG or word in _BESIDE_NUMBERS for word in words)
    least = 1 + all(len(word) == 1 for word in words)
    return n_numbers >= least and all(word in _BESIDE_NUMBERS for word in words)


def without_dates(text: str) -> str:
    """A text without the dates and numbers at its beginning and end; empty where there is nothing else.

    >>> without_dates("2024-05-03 Ciconia nigra"), without_dates("Ciconia nigra 2024 05 03 12"), without_dates("May 2024")
    ('Ciconia nigra', 'Ciconia nigra', '')
    """
    words = _BETWEEN.split(text.strip())
    if is_date(text):
        return ""
    # The longest date that the words begin or end with; a month or season alone may be part of a name.
    for stop in range(len(words) - 1, 0, -1):
        if _is_dated(words[:stop]):
            words = words[stop:]
            break
    for start in range(1, len(words)):
        if _is_dated(words[start:]):
            words = words[:start]
            break
    return " ".join(words).strip(" -.,")


def _is_dated(words: list[str]) -> bool:
    text = " ".join(words)
    return any(letter.isdigit() for letter in text) and (is_date(text) or not any(one.isalpha() for one in text))
