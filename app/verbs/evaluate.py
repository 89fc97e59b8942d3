"""Scoring encoders on labelled pictures: the function is in `analysis.benchmark.evaluate`."""

from cladescope.analysis.benchmark import evaluate as module
from cladescope.analysis.benchmark.evaluate import EvaluationReport, StoppedError, contradiction
from cladescope.app.verbs.arguments import checked

__all__ = ["EvaluationReport", "StoppedError", "contradiction", "evaluate"]

evaluate = checked(module.evaluate)
