"""Scoring encoders on labelled pictures: the function is in `analysis.benchmark.evaluate`."""

from cladescope.analysis.benchmark.evaluate import EvaluationReport, StoppedError, contradiction, evaluate

__all__ = ["EvaluationReport", "StoppedError", "contradiction", "evaluate"]
