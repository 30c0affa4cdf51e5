"""GetDICOMSeriesMetadata, GetDICOMInstanceMetadata, GetDICOMInstance and GetDICOMInstanceFrames; GetImageFrame."""

import asyncio
import re
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from local.healthimaging.dicomweb import pixels
from local.healthimaging.dicomweb.series import Instance, answer, find, of_instances, opened
from local.healthimaging.errors import Invalid, NotFound
from local.healthimaging.frames import file_key
from local.healthimaging.service import Answer, Call
from local.healthimaging.store import ImageSet


async def series_metadata(call: Call) -> Answer:
    """The attributes of all instances of a series but their pixels."""
    found = await find(call)
    found.image_set.accessed_at = time.time()
    return answer(await asyncio.to_thread(of_instances, found.document, call["series"]))


async def instance_metadata(call: Call) -> Answer:
    """The attributes of an instance but its pixels, as a list of one."""
    found = await find(call)
    found.image_set.accessed_at = time.time()
    return answer(of_instances(found.document, call["series"], [found.instance(call["instance"])]))


async def instance_file(call: Call) -> Answer:
    """An instance as the file of PS3.10 that was imported. What was updated since is not in it."""
    _, file = await _file(call)
    syntax, content = await asyncio.to_thread(pixels.instance, file, call["accepted"])
    kind = f"application/dicom; transfer-syntax={syntax}"
    return _multipart("application/dicom", kind, [content]) if call["multipart"] else Answer(content, kind)


async def instance_frames(call: Call) -> Answer:
    """Frames of an instance, each a part of the answer."""
    numbers = call["frames"].split(",")
    if not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
        raise Invalid("The frame list is not a comma-separated list of frame numbers.")
    instance, file = await _file(call)
    syntax, parts = await asyncio.to_thread(
        pixels.frames, file, [int(number) for number in numbers], len(instance.frames), call["accepted"]
    )
    kind = "application/octet-stream"
    return _multipart(kind, f"{kind}; transfer-syntax={syntax}", parts)


async def get_image_frame(call: Call) -> Answer:
    """GetImageFrame: a frame as it is in the imported file, by its id in the metadata document."""
    image_set = call.account.active(call["datastoreId"]).image_set(call["imageSetId"])
    document = await opened(image_set)
    wanted = call["imageFrameInformation"]["imageFrameId"]
    for text in document.instances():
        if wanted.encode() not in bytes(text):
            continue
        instance = msgspec.json.decode(text, type=Instance)
        ids = [frame["ID"] for frame in instance.frames]
        if wanted in ids:
            file = await _opened(call, image_set, instance)
            number = ids.index(wanted) + 1
            syntax, (frame,) = await asyncio.to_thread(pixels.frames, file, [number], len(ids), [pixels.AS_STORED])
            return Answer(frame, pixels.MEDIA_TYPES.get(syntax, "application/octet-stream"))
    raise NotFound("The image set has no such image frame.")


async def _file(call: Call) -> tuple[Instance, bytes]:
    found = await find(call)
    instance = found.instance(call["instance"])
    return instance, await _opened(call, found.image_set, instance)


async def _opened(call: Call, image_set: ImageSet, instance: Instance) -> bytes:
    """The content of the file from which an instance was imported last.

    Raises:
        NotFound: it cannot be read any more.
    """
    image_set.accessed_at = time.time()
    files = call.account.active(call["datastoreId"]).files
    try:
        return await asyncio.to_thread(_read, call, files[file_key(instance.dicom, instance.frames)])
    except (OSError, LookupError):
        raise NotFound("The file that was imported is not there any more: import it again.") from None


def _read(call: Call, uri: str) -> bytes:
    if uri.startswith("s3:"):
        assert call.service.read_s3  # noqa: S101  the import has read it
        # Of all keys that begin so, the key itself comes first.
        return next((content for _, content in call.service.read_s3(call.account.id, uri)))
    return Path(unquote(urlsplit(uri).path)).read_bytes()


def _multipart(kind: str, kind_of_parts: str, parts: Sequence[bytes]) -> Answer:
    """Parts of one kind (RFC 2387)."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: {kind_of_parts}\r\n\r\n".encode()
    body = b"".join(b"%s%s\r\n" % (head, part) for part in parts) + f"--{boundary}--\r\n".encode()
    return Answer(body, f'multipart/related; type="{kind}"; boundary={boundary}')
