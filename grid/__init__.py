"""scangrid: whole estates of container images, each layer scanned once, as Parquet tables that answer SQL."""
