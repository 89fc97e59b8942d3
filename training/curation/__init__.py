"""Curation: raw sources into a clean, deduplicated, leak-free and documented data set, in stages that each leave an artefact."""
