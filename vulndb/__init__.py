"""The vulnerability database: feeds in, one folder of Parquet files out."""
