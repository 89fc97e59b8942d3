"""What a store holds, in memory or memory-mapped, so that a query reads no table: vectors, row ids, lineages, metadata."""
