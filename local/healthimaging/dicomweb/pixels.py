"""The frames of an imported file, and the file itself, in a transfer syntax that a client accepts.

HealthImaging transcodes to HTJ2K at import. This machine has no such encoder: what it keeps is the file.
"""

import array
import math
import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from pydicom import dcmread, encaps
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from local.healthimaging.errors import NotAcceptable, NotFound

AS_STORED: Final = "*"
# GetImageFrame's content types (API reference); any other is application/octet-stream.
MEDIA_TYPES: Final = {
    f"1.2.840.10008.1.2.4.{suffix}": media_type
    for media_type, suffixes in {
        "image/jpeg": ("50",),
        "image/j2c": ("91",),
        "video/mpeg": ("100", "100.1", "101", "101.1"),
        "video/mp4": ("102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1"),
        "video/H256": ("107", "108"),  # the service's own spelling
        "image/jph": ("202",),
        "image/jphc": ("203",),
        "image/jxl": ("112",),
    }.items()
    for suffix in suffixes
}
_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_WORDS: Final = {16: "H", 32: "I", 64: "Q"}


def frames(file: bytes, numbers: Sequence[int], count: int, accepted: Sequence[str]) -> tuple[str, list[bytes]]:
    """The transfer syntax and the bytes of frames.

    Where this machine has no decoder for the file, the frames come as they are in it, which the service does too
    (developer guide, "Getting DICOM instance frames": "if transcoding to ELE is not feasible").

    Args:
        file: the whole file.
        numbers: of the frames, from 1.
        count: of all frames of the file.
        accepted: transfer syntax UIDs or `AS_STORED`, the most wanted one first.

    Raises:
        NotFound: the file has no pixels that can be read, or no frame of that number.
        NotAcceptable: it cannot be had in any of these.
    """
    dataset = _read(file)
    try:
        return _frames(dataset, numbers, count, accepted)
    except (AttributeError, LookupError, TypeError, ValueError):  # pydicom's, for what the file lacks
        raise NotFound("The file has no pixels that can be read.") from None


def _frames(dataset: Dataset, numbers: Sequence[int], count: int, accepted: Sequence[str]) -> tuple[str, list[bytes]]:
    keyword = next((each for each in _PIXELS if each in dataset), None)
    if keyword is None or not all(1 <= number <= count for number in numbers):
        raise NotFound("The instance has no such frame.")
    own = dataset.file_meta.TransferSyntaxUID
    if not own.is_encapsulated:
        _chosen(accepted, [ExplicitVRLittleEndian])
        pixels = _little_endian(dataset, keyword)
        return ExplicitVRLittleEndian, [_native(dataset, pixels, number - 1) for number in numbers]
    if _chosen(accepted, [own, ExplicitVRLittleEndian]) == ExplicitVRLittleEndian:
        try:
            indices = [number - 1 for number in numbers]
            return ExplicitVRLittleEndian, [each.tobytes() for each in iter_pixels(dataset, raw=True, indices=indices)]
        except Exception:  # noqa: S110  pydicom has no decoder, or the pixels are broken
            pass
    extended = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    return own, [
        encaps.get_frame(
            dataset[keyword].value,
            number - 1,
            extended_offsets=extended if all(extended) else None,
            number_of_frames=count,
        )
        for number in numbers
    ]


def instance(file: bytes, accepted: Sequence[str]) -> tuple[str, bytes]:
    """The transfer syntax and the bytes of a file of PS3.10.

    It comes as it is where this machine has no decoder for its pixels, or where it is big endian, which is retired.

    Args:
        file: the whole file.
        accepted: as for `frames`.

    Raises:
        NotAcceptable: it cannot be had in any of these.
    """
    dataset = _read(file)
    own = dataset.file_meta.TransferSyntaxUID
    if _chosen(accepted, [own, ExplicitVRLittleEndian]) == own:
        return own, file
    written = BytesIO()
    try:
        if own.is_encapsulated:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(written, implicit_vr=False, little_endian=True)
    except Exception:  # pydicom raises anything
        return own, file
    return ExplicitVRLittleEndian, written.getvalue()


def _read(file: bytes) -> Dataset:
    with warnings.catch_warnings():
        # pydicom's warnings quote values, which may be a patient's.
        warnings.simplefilter("ignore")
        return dcmread(BytesIO(file))


def _chosen(accepted: Sequence[str], possible: Sequence[str]) -> str:
    """The first accepted one that is possible. The first possible one is how it is stored."""
    for each in accepted:
        if each == AS_STORED:
            return possible[0]
        if each in possible:
            return each
    raise NotAcceptable(f"The pixels are available as {' or '.join(possible)}: ask for transfer-syntax=*.")


def _little_endian(dataset: Dataset, keyword: str) -> bytes:
    """All pixels, with the least byte of each word first. In OW words have 16 bits (PS3.5, section 6.2)."""
    element = dataset[keyword]
    pixels: bytes = element.value
    word = max(dataset.BitsAllocated, 16 if element.VR == "OW" else 8)
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRBigEndian or word == 8:
        return pixels
    words = array.array(_WORDS[word], pixels)
    words.byteswap()
    return words.tobytes()


def _native(dataset: Dataset, pixels: bytes, index: int) -> bytes:
    """A frame of pixels that are not compressed."""
    samples: int = dataset.Rows * dataset.Columns * dataset.get("SamplesPerPixel", 1)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = samples * 2 // 3  # two chrominance samples for two pixels (PS3.3, C.7.6.3.1.2)
    if dataset.BitsAllocated == 1:  # frames are packed without regard to bytes (PS3.5, section 8.1.1)
        start = index * samples
        bits = int.from_bytes(pixels[start // 8 : (start + samples + 7) // 8], "little") >> start % 8
        return (bits & ((1 << samples) - 1)).to_bytes((samples + 7) // 8, "little")
    size = samples * math.ceil(dataset.BitsAllocated / 8)
    return pixels[index * size : (index + 1) * size]
