"""Simulated clades: pictures of organisms that never lived, whose true tree is known."""

from cladescope.simulation.write import SimulationConfig, simulate

__all__ = ["SimulationConfig", "simulate"]
