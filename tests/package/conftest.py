"""The package's pure modules: no AWS, no network, no clock."""

from hypothesis import settings

# The same examples in every run, and no waiting for a slow machine.
settings.register_profile("package", derandomize=True, database=None, deadline=None, max_examples=100)
settings.load_profile("package")
