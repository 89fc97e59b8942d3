"""A GPU's driver is known without torch."""

from cladescope.embedding import driver
from cladescope.embedding.driver import has_driver


def test_a_driver_is_known_by_its_files(monkeypatch, tmp_path):
    for names, expected in (([], False), ([tmp_path / "no", tmp_path], True)):
        has_driver.cache_clear()
        monkeypatch.setattr(driver, "DRIVER_FILES", [str(name) for name in names])
        assert has_driver() == expected
    has_driver.cache_clear()
