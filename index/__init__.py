"""Vectors to neighbours: the store on disk, exact and approximate search, and the hits they give."""
