"""Which licences may go in: what `[licences]` forbids and allows, by the short forms of `cladescope.licences`."""

from typing import Final

from cladescope.licences import ELEMENTS, short_form
from cladescope.training.curation.sections import LicencesConfig

UNKNOWN: Final = "licence not known"


class LicenceRules:
    """What `[licences]` says.

    >>> rules = LicenceRules(LicencesConfig(forbid=("nd", "CC BY-SA 4.0")))
    >>> [rules.reason(kind) for kind in ("by-nc-nd", "by-sa", "by-nc-sa", None)]
    ['licence forbids (by-nc-nd)', 'licence forbids (by-sa)', None, None]
    >>> LicenceRules(LicencesConfig(allow=("cc0",))).reason(None)
    'licence not known'
    """

    def __init__(self, config: LicencesConfig) -> None:
        self._forbid, self._allow = (frozenset(map(_word, words)) for words in (config.forbid, config.allow))
        drops = config.unknown == "drop" or (not config.unknown and config.allow)
        self._unknown = UNKNOWN if drops else None

    def reason(self, kind: str | None) -> str | None:
        """Why a picture is dropped whose licence has this short form; None where it may go in."""
        if kind is None:
            return self._unknown
        words = {kind, *(set(kind.split("-")) & set(ELEMENTS))}
        if words & self._forbid:
            return f"licence forbids ({kind})"
        return f"licence not allowed ({kind})" if self._allow and not words & self._allow else None


def _word(text: str) -> str:
    """A word of the configuration: an element, or the short form of a licence."""
    plain = text.strip().lower()
    return plain if plain in ELEMENTS else short_form(text) or plain
