"""A strict reader of Prometheus' text format, version 0.0.4, as the textfile collector of node_exporter takes it.

https://prometheus.io/docs/instrumenting/exposition_formats/; the parser of prometheus_client must read the same.
"""

import re

from prometheus_client.parser import text_string_to_metric_families

NAME, LABEL = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*"), re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
SAMPLE = re.compile(r'([^{} ]+)(?:\{((?:[^"]|"(?:[^"\\]|\\.)*")*)\})? (\S+)')
PAIR = re.compile(r'([^=",]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf)|NaN")
KINDS = {"counter", "gauge"}


def read(text):
    """Labels and value of each metric, by its name; AssertionError for whatever Prometheus or its collector would refuse."""
    text.encode()
    assert text.endswith("\n"), "the last line must end, too"
    found, kinds, helped, last = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            _, word, name, told = line.split(" ", 3)
            assert NAME.fullmatch(name), line
            assert name not in found, f"told after its sample: {line}"
            if word == "HELP":
                assert name not in helped, line
                assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", told), line
                helped.add(name)
            else:
                assert word == "TYPE", line
                assert told in KINDS, line
                assert name not in kinds, line
                kinds[name] = told
            last = name
            continue
        # A time after the value would be a third word: the collector refuses it.
        parts = SAMPLE.fullmatch(line)
        assert parts, line
        name, labels, value = parts.groups("")
        assert name == last, f"stands among the lines of another metric: {line}"
        assert name in kinds, line
        assert NUMBER.fullmatch(value), line
        assert name.endswith("_total") == (kinds[name] == "counter"), line
        assert "".join(pair.group() for pair in PAIR.finditer(labels)) == labels, line
        pairs = [pair.groups() for pair in PAIR.finditer(labels)]
        assert all(LABEL.fullmatch(label) for label, _ in pairs), line
        assert len({label for label, _ in pairs}) == len(pairs), line
        found[name] = ({label: unescaped(told) for label, told in pairs}, float(value))
        assert kinds[name] == "gauge" or found[name][1] >= 0, line
    assert kinds.keys() == helped == found.keys()
    assert by_prometheus(text) == found
    return found


def unescaped(told):
    return re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), told)


def by_prometheus(text):
    """What prometheus_client reads."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert all(sample.timestamp is None for sample in samples)
    return {sample.name: (sample.labels, sample.value) for sample in samples}
