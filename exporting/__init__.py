"""The table for research: entries as Parquet and Iceberg, SQL over them by DuckDB, and pictures of an archive.

It needs the extra `research`. The functions know nothing of it.
"""

import os

# Arrow's own allocator keeps a quarter more of what it has freed. It is chosen when Arrow is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
