"""What the index announces: changes of entries, studies that are stable, and import jobs that are indexed.

`Publisher`, `StudyWatch` and `JobWatch` do one thing each; `handlers/publish.py` calls them.
"""
