"""Figures over plain arrays: accuracy, calibration, errors in the tree, intervals and tests."""
