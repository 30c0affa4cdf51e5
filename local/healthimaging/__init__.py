"""AWS HealthImaging on this machine: DICOM files -> image sets, the real API over them, and its events."""

from local.healthimaging.api import PREFIX, HealthImaging
from local.healthimaging.settings import Faults, Settings

__all__ = ["PREFIX", "Faults", "HealthImaging", "Settings"]
