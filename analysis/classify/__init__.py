"""Classifiers as galleries of class vectors: zero-shot, few-shot, and answers that stop where they are no longer sure."""
