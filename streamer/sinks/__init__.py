"""Where results go: Parquet, LanceDB, Avro dead letters, or memory."""
