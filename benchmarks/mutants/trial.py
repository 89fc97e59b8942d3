"""A process that has imported everything once and tries each mutant in a fork: a tenth of a second instead of five.

python benchmarks/mutants/trial.py MODULES TESTS    (called by the script itself; jobs come by stdin, answers go to stdout, a JSON object a line)

The tests are collected once. In the fork the code of the mutated function takes the place of the old one's, wherever that has been imported to, and
the chosen tests run until one fails.
"""

import gc
import inspect
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

LATE = "cladescope", "faiss", "lance", "numba", "scipy", "sklearn", "torch"
"""Packages that functions import when they are called: what tests were seen to load of them is loaded before the forks."""


class Answering:
    """A plugin of pytest that answers jobs instead of running all tests."""

    def __init__(self, modules: list[str], answers: Any) -> None:
        self.modules, self.answers = modules, answers

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer until there are no more jobs."""
        for name in self.modules:
            if name.partition(".")[0] in LATE:
                with suppress(ImportError):
                    import_module(name)
        items = {item.nodeid: item for item in session.items}
        warnings.simplefilter("ignore")  # of forks, by libraries that have threads of their own
        gc.freeze()
        for line in sys.stdin:
            job = json.loads(line)
            chosen = [items[test] for test in job["tests"] if test in items]
            answer = in_fork(lambda job=job, chosen=chosen: tried(job, chosen), job["cpu_seconds"], job["wall_seconds"])
            self.answers.write(json.dumps(answer) + "\n")
        return True


def tried(job: dict[str, Any], items: list[pytest.Item]) -> dict[str, Any]:
    """The first test that fails with the mutant in place, if one does."""
    started, n_run = time.process_time(), 0
    if job["source"] is not None:
        put_in_place(job["file"], job["source"], job["function"])
    for item, after in zip(items, [*items[1:], None], strict=True):
        n_run += 1
        if any(report.failed for report in runtestprotocol(item, nextitem=after, log=False)):
            return {"killer": item.nodeid, "n_run": n_run, "seconds": time.process_time() - started}
    return {"killer": None, "n_run": n_run, "seconds": time.process_time() - started}


def put_in_place(file: str, source: str, function: str) -> None:
    """Give a function the code of a mutated source; where a line is mutated that runs on import, give it to all that the module holds."""
    module = sys.modules["cladescope." + file.removesuffix(".py").replace("/", ".")]
    assert module.__spec__ is not None
    code = module.__spec__.loader.source_to_code(source.encode(), module.__file__)  # type: ignore[union-attr]
    if function:
        plain(module, function).__code__ = next(each for each in codes(code) if each.co_qualname == function)
        return
    new = ModuleType(module.__name__)
    vars(new).update(__file__=module.__file__, __spec__=module.__spec__, __package__=module.__package__)
    exec(code, vars(new))
    for name, value in vars(new).items():
        old = vars(module).get(name)
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("__"):
            graft(old, value)
        elif isinstance(value, VALUES) and repr(old) != repr(value):
            for other in list(sys.modules.values()):
                if (
                    str(getattr(other, "__name__", "")).startswith(("cladescope", "tests"))
                    and vars(other).get(name) is old
                ):
                    setattr(other, name, value)


VALUES = int, float, str, tuple, list, dict, set, frozenset, type(None)


def graft(old: Any, new: Any) -> None:
    """Give a function the code and the defaults of another, and a class the functions and the constants."""
    if not isinstance(old, type):
        with suppress(AttributeError, ValueError):
            one, other = undecorated(old), undecorated(new)
            one.__code__, one.__defaults__, one.__kwdefaults__ = (
                other.__code__,
                other.__defaults__,
                other.__kwdefaults__,
            )
        return
    for name, value in vars(new).items():
        if isinstance(value, VALUES) and not name.startswith("__") and repr(vars(old).get(name)) != repr(value):
            setattr(old, name, value)
        elif name == "__init__" or not name.startswith("__"):
            graft(vars(old).get(name), value)


def plain(module: Any, function: str) -> FunctionType:
    """The function of a dotted name, under the checks and decorators around it."""
    found = module
    for part in function.split("."):
        found = vars(found)[part]
    return undecorated(found)


def undecorated(found: Any) -> FunctionType:
    """What properties, class methods and checks stand around."""
    for around in ("fget", "func", "__func__"):
        found = getattr(found, around, found)
    innermost: FunctionType = inspect.unwrap(found)
    return innermost


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and all inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def in_fork(work: Callable[[], dict[str, Any]], cpu_seconds: float, wall_seconds: float) -> dict[str, Any]:
    """What a function returns in a fork of this process; if the fork ran out of time or died, that."""
    folder = tempfile.mkdtemp(prefix="mutant-")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, int(cpu_seconds) + 2))
        said: dict[str, Any]
        try:
            said = work()
        except BaseException as error:  # noqa: BLE001 - a mutant may raise anything
            said = {"killer": f"{type(error).__name__}: {error}"[:200], "n_run": 0, "seconds": 0.0}
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    deadline, ended = time.monotonic() + wall_seconds, 0
    while not ended and time.monotonic() < deadline:
        ended, _ = os.waitpid(child, os.WNOHANG)
        time.sleep(0 if ended else 0.005)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    if answer:
        found: dict[str, Any] = json.loads(answer)
        return found
    return {"killer": "died, or out of CPU time" if ended else "out of time", "n_run": 0, "seconds": cpu_seconds}


if __name__ == "__main__":
    modules_path, *tests = sys.argv[1:]
    answering = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    sys.path.insert(0, str(Path.cwd()))
    jobs = os.fdopen(os.dup(0))
    os.dup2(nowhere, 0)
    sys.stdin = jobs
    sys.exit(
        pytest.main(
            ["-q", "-s", "-p", "no:xdist", *tests],
            plugins=[Answering(Path(modules_path).read_text().split(), answering)],
        )
    )
