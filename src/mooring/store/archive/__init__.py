"""A folder of exported Parquet, read in place."""
