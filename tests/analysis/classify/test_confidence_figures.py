"""Reliability and risk-coverage figures show what scikit-learn and a loop compute."""

import numpy as np
from sklearn.calibration import calibration_curve

from cladescope.analysis.classify.confidence_figures import (
    LEAST_IN_BIN,
    draw_reliability,
    draw_risk_coverage,
    write_confidence_figures,
)


def answered(n=500):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=n)
    return confidence, rng.uniform(size=n) < confidence**2


def test_the_reliability_line_is_the_calibration_curve():
    confidence, right = answered()
    figure = draw_reliability({"order": (confidence, right)}, title="Orders, 5 $ each")
    share, mean = calibration_curve(right, confidence, n_bins=10)
    line = figure.axes[0].lines[1]
    np.testing.assert_allclose(line.get_xdata(), mean)
    np.testing.assert_allclose(line.get_ydata(), share)


def test_bins_of_few_answers_are_not_drawn():
    confidence = np.array([0.05] * LEAST_IN_BIN + [0.55] * (LEAST_IN_BIN - 1))
    figure = draw_reliability({"order": (confidence, confidence > 0.5)}, title="Orders")
    assert list(figure.axes[0].lines[1].get_ydata()) == [0.0]


def test_the_risk_line_ends_at_the_share_of_wrong_answers():
    confidence, right = answered()
    axes = draw_risk_coverage({"order": (confidence, right), "class": (confidence, right | True)}, title="Both").axes[0]
    assert [line.get_ydata()[-1] for line in axes.lines] == [np.mean(~right), 0]
    assert axes.get_ylim()[1] >= np.mean(~right)


def test_reliability_is_drawn_of_ranks_with_enough_answers_alone_and_an_old_figure_goes(tmp_path):
    few = tuple(values[:20] for values in answered())
    both = write_confidence_figures({"order": answered(), "class": few}, tmp_path, title="Both")
    assert [path.name for path in both] == ["reliability.svg", "risk-coverage.svg"]
    figure = (tmp_path / "reliability.svg").read_text()
    assert "<!-- order (error" in figure
    assert "<!-- class (error" not in figure
    assert [path.name for path in write_confidence_figures({"class": few}, tmp_path, title="Few")] == [
        "risk-coverage.svg"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["risk-coverage.svg"]
