"""What a curation leaves: shards, catalogue, provenance, description, statistics and card, all from the tables of its stages."""
