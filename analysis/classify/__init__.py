"""Classifiers as galleries of class vectors: zero-shot, few-shot, and answers only as precise as a risk allows."""
