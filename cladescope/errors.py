"""The errors that Cladescope raises for a user's mistake or a failing machine.

Everything a caller may want to catch derives from one class::

    CladescopeError
    ├── InputError        what was given cannot be used: a file, a name, an option
    │   ├── UsageError    a value that an argument never takes
    │   ├── ConfigError   a configuration that cannot be used, with all that is wrong with it
    │   ├── PictureError  one picture cannot be decoded (the job goes on; the ledger keeps the reason)
    │   ├── TakenError    a file or folder to write to is there already, and was not to be overwritten
    │   └── TaxonError    a taxon that is unknown or has several meanings
    ├── EncoderError      an encoder cannot be loaded or cannot do what was asked
    │   └── DeviceFullError  its device has not the memory for a batch: a smaller one may fit
    ├── StoreError        a store is missing, damaged, full, in use or of another encoder
    │   └── InUseError    another job writes to it: the same can be done once that has ended
    └── TrainingError     a training run cannot go on

A message is one line that says what was found, what was expected and what to do. Bugs of our own stay `assert`s.
"""

from collections.abc import Sequence


class CladescopeError(Exception):
    """Base of every error raised on purpose; its text is one line for the user."""


class InputError(CladescopeError, ValueError):
    """What was given cannot be used."""


class UsageError(InputError):
    """A value that an argument never takes, whatever is stored or drawn: out of its range, or none of its words."""


class ConfigError(InputError):
    """A configuration that cannot be used."""

    def __init__(self, problems: Sequence[str], *, is_usage: bool = False) -> None:
        """`problems` says on a line each what is wrong, and where it stands; there is at least one. With `is_usage` all of it was
        given beside the configuration, as settings that replace some of it."""
        super().__init__("; ".join(problems))
        self.problems, self.is_usage = tuple(problems), is_usage


class PictureError(InputError):
    """One picture cannot be decoded."""


class TakenError(InputError):
    """A file or folder to write to is there already."""


class TaxonError(InputError):
    """A taxon name is unknown or ambiguous."""


class EncoderError(CladescopeError):
    """An encoder cannot be loaded, or cannot do what was asked of it."""


class DeviceFullError(EncoderError):
    """An encoder's device has not the memory for a batch of so many pictures."""


class StoreError(CladescopeError):
    """A store cannot be created, opened, written or matched with an encoder."""


class InUseError(StoreError):
    """Another job writes to a store, and only one may."""


class TrainingError(CladescopeError):
    """A training run cannot go on: its loss is no longer finite."""
