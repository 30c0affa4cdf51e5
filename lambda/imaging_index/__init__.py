"""Imaging Index: keeps a DynamoDB table of the DICOM attributes that an operator selected from AWS HealthImaging."""

from typing import Final

# Stated here only: pyproject.toml reads this line, and the command prints it.
__version__ = "0.1.0"

# The SDK's application id, `app/...` in the user agent of each call to AWS: CloudTrail shows which version called.
APPLICATION: Final = f"imaging-index-{__version__}"
