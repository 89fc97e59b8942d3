"""Objectives of training, and the criterion that adds them up."""
