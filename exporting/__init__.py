"""The table for research: entries as Parquet and Iceberg, SQL over them by DuckDB, and pictures of an archive.

It needs the extra `research`. The functions know nothing of it.
"""
