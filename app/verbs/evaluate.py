"""Encoders scored on labelled pictures: `analysis.benchmark.evaluate`, which needs nothing of the command line."""

from cladescope.analysis.benchmark.evaluate import EvaluationReport, StoppedError, contradiction, evaluate

__all__ = ["EvaluationReport", "StoppedError", "contradiction", "evaluate"]
