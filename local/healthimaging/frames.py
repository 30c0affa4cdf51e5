"""The image frames of an instance, as the metadata lists them.

Pixels are not decoded here. The number of frames and their size come from the file. Each frame's id and checksum are
made from the SOP instance UID and the frame's number: they are stable and distinct, but not computed from pixels. The
least and greatest pixel values are the bounds that the bits stored allow.
"""

import hashlib
import re
import zlib
from typing import Any, Final

from local.healthimaging.conversion import Values, as_written

# Kept as it came (developer guide, "Supported transfer syntaxes"): lossy JPEG, JPEG 2000, HTJ2K, MPEG, HEVC.
_KEPT: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 91, 203, *range(100, 109)))
_SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.4"
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
# The lossless formats that a data store can have.
STORED: Final = {"HTJ2K": "1.2.840.10008.1.2.4.202", "JPEG_2000_LOSSLESS": "1.2.840.10008.1.2.4.90"}

# A number of frames above this is taken for a broken one: it would be many times the largest document.
_MOST: Final = 100_000


def stored_transfer_syntax(instance: Values, *, has_pixels: bool, lossless: str) -> str:
    """The transfer syntax in which the service keeps the pixels.

    Args:
        instance: the instance-level values.
        has_pixels: whether there is pixel data. [U] Without it, Explicit VR Little Endian.
        lossless: the data store's format, a key of `STORED`.
    """
    original = as_written(instance.get("TransferSyntaxUID"))
    binary = instance.get("SOPClassUID") == _SEGMENTATION and instance.get("BitsAllocated") == 1
    if original in _KEPT or binary:
        return original
    return STORED[lossless] if has_pixels else _EXPLICIT


def image_frames(instance: Values, *, has_pixels: bool) -> list[Values]:
    """One entry for each frame; none for an instance without pixel data."""
    if not has_pixels:
        return []
    width, height = _whole(instance.get("Columns")), _whole(instance.get("Rows"))
    bits = min(_whole(instance.get("BitsStored")) or 8, 32)
    size = (
        width
        * height
        * (_whole(instance.get("SamplesPerPixel")) or 1)
        * -(-(_whole(instance.get("BitsAllocated")) or 8) // 8)
    )
    signed = instance.get("PixelRepresentation") == 1
    least, greatest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    frames = _whole(instance.get("NumberOfFrames"))
    uid = as_written(instance.get("SOPInstanceUID"))
    return [
        {
            "ID": frame_id,
            "PixelDataChecksumFromBaseToFullResolution": [
                {"Width": width, "Height": height, "Checksum": zlib.crc32(frame_id.encode())}
            ],
            "MinPixelValue": least,
            "MaxPixelValue": greatest,
            "FrameSizeInBytes": size,
        }
        for frame_id in (
            hashlib.md5(f"{uid}/{n}".encode(), usedforsecurity=False).hexdigest()
            for n in range(frames if 0 < frames <= _MOST else 1)
        )
    ]


def file_key(instance: Values, frames: list[Values]) -> str:
    """By which the file of an instance is found: the id of its first frame, which updates never change, or its UID."""
    return str(frames[0]["ID"]) if frames else as_written(instance.get("SOPInstanceUID"))


def _whole(value: Any) -> int:
    """A whole number of an IS string or a US number; 0 for anything else."""
    return int(text) if re.fullmatch(r"\+?[0-9]{1,9}", text := as_written(value).strip()) else 0
