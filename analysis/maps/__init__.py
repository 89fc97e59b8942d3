"""Vectors in two dimensions: layout, how far it can be trusted, figures and a page to move about in."""
