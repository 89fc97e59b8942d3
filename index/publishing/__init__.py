"""A store's rows in a vector database that serves many users, Qdrant or Milvus; the store stays the record.

`publish` compares and sends, `points` says what a row becomes there, `target` what a database must offer; one file a database.
"""
