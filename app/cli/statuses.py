"""What a command's exit status tells the program that started it; docs/pipeline.md says what a scheduler makes of it."""

from cladescope.errors import ConfigError, InUseError, UsageError

FAILED = 1
"""It could not be done, and will not be by doing the same again."""
USAGE = 2
"""A value that an option or argument never takes."""
AGAIN = 75
"""Nothing is lost and the same command goes on: it was stopped, or another job holds the store. It is EX_TEMPFAIL of sysexits.h."""


def status_of(error: BaseException) -> int:
    """The exit status for an error.

    >>> status_of(InUseError("another job is writing")), status_of(OSError())
    (75, 1)
    """
    if isinstance(error, UsageError) or (isinstance(error, ConfigError) and error.is_usage):
        return USAGE
    return AGAIN if isinstance(error, InUseError | KeyboardInterrupt) else FAILED
