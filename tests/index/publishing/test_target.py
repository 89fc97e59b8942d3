import logging

import pytest

from cladescope.errors import StoreError
from cladescope.index.publishing.target import WAITS, retried


class BusyError(Exception):
    """A fault that passes."""


def passing(error):
    return "busy" if isinstance(error, BusyError) else None


def test_a_passing_fault_is_waited_for_a_little_longer_each_time(caplog):
    answers, slept = [BusyError(), BusyError(), "done"], []

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with caplog.at_level(logging.WARNING):
        assert retried(ask, what="base", passing=passing, sleep=slept.append) == "done"
    assert slept == [*WAITS[:2]]
    assert slept == sorted(slept)
    assert [record.getMessage() for record in caplog.records] == [
        "base: busy, trying again in 0.5 s", "base: busy, trying again in 1 s",
    ]  # fmt: skip


def test_a_fault_that_stays_is_one_line_after_all_tries():
    asked, slept = [], []

    def ask():
        asked.append(1)
        raise BusyError

    with pytest.raises(StoreError, match="base does not answer") as raised:
        retried(ask, what="base", passing=passing, sleep=slept.append)
    assert (len(asked), slept) == (len(WAITS) + 1, [*WAITS])
    assert "\n" not in str(raised.value)


def test_a_fault_that_does_not_pass_is_not_tried_again():
    asked = []

    def ask():
        asked.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        retried(ask, what="base", passing=passing, sleep=pytest.fail)
    assert asked == [1]
