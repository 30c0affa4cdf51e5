"""The `imaging-index` command."""
