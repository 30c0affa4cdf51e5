"""What reconciling reads and writes of the table: heads, scans, corrections, and its checkpoint with a lease."""

from __future__ import annotations

from imaging_index.table.writing import TableWriter


class ReconcilingTable(TableWriter):
    """The table, for reconciling. Errors of botocore pass through; `aws_errors.classify` knows them."""
