"""Which test runs which lines: each test file is run once under coverage, and what was found is kept until a file changes.

python benchmarks/mutants/tracing.py OUT FILES TESTS    (called by the script itself, in a process of its own)
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest


class Tracer:
    """A plugin of pytest that tells coverage which test, or which lasting fixture, is running."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.fixtures: dict[str, set[str]] = defaultdict(set)
        self.running = [""]

    def _enter(self, context: str) -> None:
        self.running.append(context)
        self.measured.switch_context(context)

    def _leave(self) -> None:
        self.running.pop()
        self.measured.switch_context(self.running[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Each test is a context; what it waits for counts as its time."""
        started = time.process_time()
        self._enter(item.nodeid)
        for name in getattr(item, "fixturenames", ()):
            self.fixtures[name].add(item.nodeid)
        yield_value = yield
        self._leave()
        self.seconds[item.nodeid] = time.process_time() - started
        return yield_value

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What is made once and used by several tests belongs to all of them."""
        lasting = fixturedef.scope != "function"
        if lasting:
            self._enter(f"fixture {fixturedef.argname} {fixturedef.baseid}")
        try:
            return (yield)
        finally:
            if lasting:
                self._leave()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails unmutated tells nothing about mutants."""
        if report.failed:
            self.failed.append(report.nodeid)

    def tests_of(self, context: str) -> set[str]:
        """The tests that a context stands for."""
        if not context.startswith("fixture "):
            return {context} if context else set()
        _, name, base = context.split(" ", 2)
        return {test for test in self.fixtures[name] if test.startswith(base)}


def traced(files: list[str], tests: list[str]) -> dict[str, Any]:
    """For each test file its tests, their seconds, and of each source file's lines which of these tests run it."""
    measured = coverage.Coverage(
        data_file=None, config_file=False, include=[str(Path(file).resolve()) for file in files]
    )
    tracer = Tracer(measured)
    measured.start()
    pytest.main(["-q", "-p", "no:xdist", *tests], plugins=[tracer])
    measured.stop()
    data = measured.get_data()
    by_test: dict[str, dict[str, dict[int, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for file in files:
        for line, contexts in data.contexts_by_lineno(str(Path(file).resolve())).items():
            for test in set().union(*map(tracer.tests_of, contexts)):
                by_test[test.partition("::")[0]][file][line].append(test)
    found: dict[str, Any] = {}
    for test, seconds in tracer.seconds.items():
        path = test.partition("::")[0]
        entry = found.setdefault(path, {"seconds": {}, "failed": [], "lines": by_test[path]})
        entry["seconds"][test] = round(seconds, 4)
        if test in tracer.failed:
            entry["failed"].append(test)
    return found


if __name__ == "__main__":
    out, files_path, *test_paths = sys.argv[1:]
    Path(out).write_text(json.dumps(traced(Path(files_path).read_text().split(), test_paths)))
    Path(out).with_suffix(".modules").write_text("\n".join(sorted(sys.modules)))
