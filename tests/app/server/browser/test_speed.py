"""The map of a hundred thousand pictures keeps up with the reader: its acts take no more than a few times what the same browser takes for a fixed sum."""

import importlib

import pytest

from tests.conftest import REPOSITORY

N = 100_000
SUM = "(() => { const began = performance.now(); let sum = 0; for (let i = 0; i < 2e7; i++) sum += Math.sqrt(i); return sum > 0 && performance.now() - began; })()"
"""Milliseconds that the browser takes to add twenty million roots."""


def test_a_map_of_a_hundred_thousand_is_painted_recoloured_and_filtered_in_a_few_sums(chromium, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    page_map = importlib.import_module("page_map")
    page_map.make(tmp_path / "many.store", N)
    process, address = page_map.serve(tmp_path / "many.store")
    try:
        found = page_map.rounds_of(chromium, address, 2)
        page = chromium.new_page()
        fixed = sorted(page.evaluate(SUM) for _ in range(3))[1]
        page.close()
    finally:
        process.kill()
        process.communicate()
    whole = {name: min(all_of_it for _, all_of_it in several) / fixed for name, several in found.items()}
    # 14, 2, 4 and 2 sums on two quiet cores; the map that was tried before took ten times as long to recolour.
    assert whole["first paint"] < 80, whole
    assert max(whole[name] for name in ("recolour", "keep a clade", "let it go")) < 20, whole
