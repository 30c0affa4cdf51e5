"""Documents that somebody made to fill or stop the function, of any size, and what becomes of them.

    python -m bench.hostile [--mib 20 48 200] [SHAPE ...]

Each is the second message of a batch, in Lambda's environment as `bench.runtime.exact` makes it, with the memory and
the time that the function has by default. The first message is a good one and has to be indexed; the hostile one is
indexed or comes back as a failure. No document is held here whole: a shape is a generator of its plain JSON.
"""

import argparse
import io
import itertools
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pydicom
from isal import igzip
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from bench import DATASTORE_ID, IMAGE_SET_ID, documents, stub
from bench.runtime.events import event
from bench.runtime.exact import Runtime, conditions
from infra.bundling import Bundle, Platform
from infra.config import FUNCTION_SECONDS, ROOT
from local.healthimaging.importing import scan

# The bytes of a document to be -> its plain JSON.
Shape = Callable[[int], Iterator[bytes]]

MIB: Final = 2**20
SIZES: Final = (20, 48, 200)
_PROFILE: Final = ROOT / "profiles" / "radiology.toml"
_HANDLER: Final = "imaging_index.handlers.index.handler"
_MEMORY: Final[int] = json.loads((ROOT / "cdk.json").read_text())["context"]["memorySize"]
_FOLDER: Final = ROOT / "build" / "bench" / "hostile"
_PIECE: Final = 64 * 2**10
_FILE_BYTES: Final = 7_000_000

_HEAD: Final = f'{{"DatastoreID":"{DATASTORE_ID}","ImageSetID":"{IMAGE_SET_ID}",'.encode()
_PATIENT: Final = (_HEAD + b'"Patient":{"DICOM":{', b"}}}")
_STUDY: Final = (_HEAD + b'"Study":{"DICOM":{', b"}}}")
_SERIES_MAP: Final = (_HEAD + b'"Study":{"DICOM":{"StudyInstanceUID":"1.2"},"Series":{', b"}}}")
_INSTANCES: Final = (_SERIES_MAP[0] + b'"1.2":{"DICOM":{"Modality":"CT"},"Instances":{', b"}}" + _SERIES_MAP[1])
_INSTANCE: Final = (_INSTANCES[0] + b'"1.2.3":{', b"}" + _INSTANCES[1])
_VALUES: Final = (_INSTANCE[0] + b'"DICOM":{"Rows":512,', b"}" + _INSTANCE[1])
_PER_FRAME: Final = (_VALUES[0] + b'"PerFrameFunctionalGroupsSequence":[', b"]" + _VALUES[1])
_SHARED: Final = (_VALUES[0] + b'"SharedFunctionalGroupsSequence":[', b"]" + _VALUES[1])


def _in(place: tuple[bytes, bytes], *fillings: Iterable[bytes]) -> Iterator[bytes]:
    return itertools.chain((place[0],), *fillings, (place[1],))


def _same(unit: bytes, size: int, comma: bytes = b",") -> Iterator[bytes]:
    """The same unit again and again, `size` bytes of it."""
    many = comma.join([unit] * max(1, _PIECE // (len(unit) + len(comma))))
    yield many
    for _ in range(size // (len(many) + len(comma))):
        yield comma
        yield many


def _each(made: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Units that differ, made of their numbers."""
    comma = b""
    while size > 0:
        unit = made(next(_numbers))
        size -= len(unit) + 1
        yield comma + unit
        comma = b","


_numbers: Final = itertools.count()


def _text(length: int, number: int = 0) -> bytes:
    return b"%d" % number + b"x" * length


def _private(number: int) -> bytes:
    """An instance with a creator in a block of its own, and of its own way to write hexadecimal digits."""
    block, element = b"%02x" % (16 + number % 240), b"%02x" % (number // 240 % 256)
    key = b"0019%s0%s" % (block.upper() if number % 2 else block, b"C" if number % 3 else b"c")
    other = b"0029%s%s" % (block, element)
    return b'"1.2.%d":{"DICOM":{"001900%s":"SIEMENS MR HEADER","%s":7},"DICOMVRs":{"%s":"FD","%s":"LO"}}' % (
        number,
        block.upper(),
        key,
        key,
        other,
    )


_TEXTS: Final = (
    *("ImageType", "PhotometricInterpretation", "ConvolutionKernel", "ContrastBolusAgent", "ViewPosition"),
    *("ImageLaterality", "PresentationIntentType", "BurnedInAnnotation", "TransferSyntaxUID", "SOPClassUID"),
)
_NUMBERS: Final = ("PixelSpacing", "SliceThickness", "KVP", "MagneticFieldStrength", "RepetitionTime", "EchoTime")
_MOMENTS: Final = ("AcquisitionDate", "PerformedProcedureStepStartDate")


def _long_texts(number: int) -> bytes:
    """An instance whose every text is as long as the entry keeps it, of characters that take most memory."""
    texts = b",".join(b'"%s":"%d\xf0\x9f\x98\x80%s"' % (each.encode(), number, b"x" * 990) for each in _TEXTS)
    return b'"1.2.%d":{"DICOM":{%s}}' % (number, texts)


def _distinct(number: int) -> bytes:
    """An instance that says nothing as another does."""
    texts = [b'"%s":"%d"' % (each.encode(), number) for each in (*_TEXTS, *_NUMBERS, *_MOMENTS, "Rows")]
    return b'"1.2.%d":{"DICOM":{%s}}' % (number, b",".join(texts))


def _many_values(number: int) -> bytes:
    """An instance of many short values."""
    values = b",".join(b"%d" % (number * 7 + each) for each in range(MIB // 2_000))
    lists = b",".join(b'"%s":[%s]' % (each.encode(), values) for each in _NUMBERS)
    return b'"1.2.%d":{"DICOM":{%s}}' % (number, lists)


def _group(number: int) -> bytes:
    """Functional groups in which all differs."""
    return (
        b'{"PixelMeasuresSequence":[{"SliceThickness":"%d","PixelSpacing":["%d","1"]}],'
        b'"MREchoSequence":[{"EffectiveEchoTime":%d}],"FrameVOILUTSequence":[{"WindowCenter":"%d"}]}'
    ) % (number, number, number, number)


def _frame(number: int, more: int = 0) -> bytes:
    return b'{"ID":"%032x%s"}' % (number, b"f" * more)


def _nested(depth: int) -> bytes:
    return b'[{"A":' * (depth // 2) + b"1" + b"}]" * (depth // 2)


def _series(values: int) -> Callable[[int], bytes]:
    """A series with so many bytes of values, half of them selected."""

    def made(number: int) -> bytes:
        selected = b'"SeriesDescription":"%s"' % _text(values // 2, number)
        others = b",".join(b'"A%d":1' % each for each in range(values // 20))
        return b'"1.2.%d":{"DICOM":{%s,%s}}' % (number, selected, others or b'"A":1')

    return made


def _with_vrs(size: int) -> Iterator[bytes]:
    before = b'"DICOM":{"00190010":"SIEMENS MR HEADER","0019100C":7},"DICOMVRs":{'
    return _in(_INSTANCE, [before], _each(lambda number: b'"%08X":"UN"' % number, size), [b"}"])


def _shared(number: int) -> bytes:
    return b'{"PixelMeasuresSequence":[{"PixelSpacing":["%d","2"]}]}' % number


SHAPES: Final[dict[str, Shape]] = {
    # One value.
    "a selected text": lambda size: _in(_PATIENT, [b'"PatientID":"'], _same(b"x", size, b"x"), [b'"']),
    "a text that is not selected": lambda size: _in(_PATIENT, [b'"X":"'], _same(b"x", size, b","), [b'"']),
    "a text of escapes": lambda size: _in(_VALUES, [b'"ImageType":"'], _same(rb"\\\"\n", size, rb"\u00e9"), [b'"']),
    "a text of digits": lambda size: _in(_VALUES, [b'"SliceThickness":"'], _same(b"1", size, b"1"), [b'"']),
    "a number of digits": lambda size: _in(_VALUES, [b'"SliceThickness":'], _same(b"1", size, b"1")),
    "a number that is not selected": lambda size: _in(_VALUES, [b'"X":'], _same(b"1", size, b"1")),
    "blanks": lambda size: _in(_VALUES, [b'"X":['], _same(b" ", size, b"\n"), [b"1]"]),
    "a creator": lambda size: _in(
        _INSTANCE,
        [b'"DICOMVRs":{"0019100C":"FD"},"DICOM":{"0019100C":7,"00190010":"'],
        _same(b"x", size, b"x"),
        [b'"}'],
    ),
    # One list or sequence.
    "a selected list": lambda size: _in(_VALUES, [b'"ImageType":['], _same(b'"1"', size), [b"]"]),
    "a list that is not selected": lambda size: _in(_VALUES, [b'"X":['], _same(b'"1"', size), [b"]"]),
    "a list of texts with commas and brackets": lambda size: _in(
        _VALUES, [b'"X":['], _same(b'"],[",",\\"{,"', size), [b"]"]
    ),
    "a list of lists": lambda size: _in(_VALUES, [b'"X":['], _same(b"[],[0,0]", size), [b"]"]),
    "a list of NaN": lambda size: _in(_VALUES, [b'"X":['], _same(b'NaN,"1"', size), [b"]"]),
    "a list of halves of characters": lambda size: _in(_VALUES, [b'"X":['], _same(rb'"\ud800"', size), [b"]"]),
    "brackets": lambda size: _in(_VALUES, [b'"X":'], _same(b"[", size, b"[")),
    "a list of deep lists": lambda size: _in(_VALUES, [b'"X":['], _same(_nested(60), size), [b"]"]),
    "a selected sequence": lambda size: _in(
        _VALUES, [b'"SegmentSequence":['], _each(lambda number: b'{"SegmentLabel":"%d"}' % number, size), [b"]"]
    ),
    "a selected sequence of the study": lambda size: _in(
        _STUDY, [b'"ProcedureCodeSequence":['], _each(lambda number: b'{"CodeValue":"%d"}' % number, size), [b"]"]
    ),
    "a sequence that is not selected": lambda size: _in(
        _VALUES, [b'"X":['], _each(lambda number: b'{"A":[{"B":"%d"}],"C":1}' % number, size), [b"]"]
    ),
    "an object that is not selected": lambda size: _in(
        _PATIENT, [b'"X":{'], _each(lambda number: b'"%d":1' % number, size), [b"}"]
    ),
    # Keys.
    "a key": lambda size: _in(_PATIENT, [b'"'], _same(b"x", size, b"x"), [b'":1']),
    "a key in what is not selected": lambda size: _in(_PATIENT, [b'"X":{"'], _same(b"x", size, b"x"), [b'":1}']),
    "keys of the document": lambda size: _in((_HEAD, b"}"), _each(lambda number: b'"%d":1' % number, size)),
    "keys of a patient": lambda size: _in(_PATIENT, _each(lambda number: b'"%d":1' % number, size)),
    "the same key again and again": lambda size: _in(_PATIENT, _same(b'"PatientID":"1"', size)),
    "keys of an instance": lambda size: _in(_VALUES, _each(lambda number: b'"%d":1' % number, size)),
    "long keys of instances": lambda size: _in(
        _INSTANCES, _each(lambda number: b'"%s":{}' % _text(MIB * 9 // 10, number), size)
    ),
    "long keys of series": lambda size: _in(
        _SERIES_MAP, _each(lambda number: b'"\xf0\x9f\x98\x80%s":{}' % _text(MIB // 10, number), size)
    ),
    # Levels.
    "ten thousand series": lambda size: _in(_SERIES_MAP, _each(_series(size // 8_000), size)),
    "large series": lambda size: _in(_SERIES_MAP, _each(_series(MIB), size)),
    "series without end": lambda size: _in(_SERIES_MAP, _each(lambda number: b'"1.%d":{}' % number, size)),
    # Frames.
    "frames without end": lambda size: _in(_INSTANCE, [b'"ImageFrames":['], _same(_frame(1), size), [b"]"]),
    "a million frames with long ids": lambda size: _in(
        _INSTANCE, [b'"ImageFrames":['], _each(lambda number: _frame(number, size // 10**6), size), [b"]"]
    ),
    "frames with ids of a MiB": lambda size: _in(
        _INSTANCE, [b'"ImageFrames":['], _each(lambda number: _frame(number, MIB * 9 // 10), size), [b"]"]
    ),
    "frames with lists for ids": lambda size: _in(
        _INSTANCE, [b'"ImageFrames":['], _same(b'{"ID":[%s]}' % b",".join([b"[]"] * (MIB // 50)), size), [b"]"]
    ),
    # Functional groups.
    "functional groups that all differ": lambda size: _in(_PER_FRAME, _each(_group, size)),
    "functional groups without end": lambda size: _in(_PER_FRAME, _same(b"{}", size, b" , ")),
    "functional groups of one frame": lambda size: _in(
        _PER_FRAME, [b'{"PixelMeasuresSequence":['], _same(b'{"PixelSpacing":["1","2"]}', size), [b"]}"]
    ),
    "functional groups of all frames": lambda size: _in(_SHARED, _each(_shared, size)),
    # Instances.
    "small instances": lambda size: _in(_INSTANCES, _each(lambda number: b'"1.2.%d":{}' % number, size)),
    "instances with keys that are no UIDs": lambda size: _in(
        _INSTANCES,
        _each(lambda number: b'"a%d":{"DICOM":{"Rows":%d,"X":"%s"}}' % (number, number, b"x" * 170), size),
    ),
    "instances with NaN": lambda size: _in(
        _INSTANCES, _each(lambda number: b'"1.2.%d":{"DICOM":{"KVP":NaN,"X":"%s"}}' % (number, b"x" * 170), size)
    ),
    "instances full of brackets": lambda size: _in(
        _INSTANCES, _each(lambda number: b'"a%d":{"X":[%s]}' % (number, b",".join([b"[]"] * (MIB // 50))), size)
    ),
    "instances whose values all differ": lambda size: _in(_INSTANCES, _each(_distinct, size)),
    "instances of long texts": lambda size: _in(_INSTANCES, _each(_long_texts, size)),
    "instances of texts of a MiB": lambda size: _in(
        _INSTANCES,
        _each(
            lambda number: b'"1.2.%d":{"DICOM":{"ViewPosition":"%s"}}' % (number, _text(MIB * 9 // 10, number)), size
        ),
    ),
    "instances of many values": lambda size: _in(_INSTANCES, _each(_many_values, size)),
    "instances of a list of 100,000 values": lambda size: _in(
        _INSTANCES,
        _each(
            lambda number: (
                b'"1.2.%d":{"DICOM":{"ImageType":[%s]}}'
                % (number, b",".join(b'"%d"' % (number + each) for each in range(MIB // 10)))
            ),
            size,
        ),
    ),
    "instances with private elements anywhere": lambda size: _in(_INSTANCES, _each(_private, size)),
    "instances with large creators": lambda size: _in(
        _INSTANCES,
        _each(
            lambda number: (
                b'"1.2.%d":{"DICOM":{"00190010":"%s","0019100C":7},"DICOMVRs":{"0019100C":"FD"}}'
                % (number, _text(MIB // 5, number))
            ),
            size,
        ),
    ),
    "DICOMVRs": _with_vrs,
    # Files.
    "a DICOM file with a value of a million texts": lambda size: _of_files(size, _file_of_many_values),
    "a DICOM file with a sequence of sequences": lambda size: _of_files(size, _file_of_sequences),
}


def _of_files(size: int, make: Callable[[int], bytes]) -> Iterator[bytes]:
    """A document of as many such files as it takes, each an instance as the local import makes it."""
    instance = _imported(make, min(_FILE_BYTES, size // 2))
    return _in(_INSTANCES, _each(lambda number: b'"1.2.%d":%s' % (number, instance), size))


@cache
def _imported(make: Callable[[int], bytes], size: int) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the values are longer than they should be
        found = scan([("file", make(size))], "HTJ2K")
    ((_, group),) = found.groups.items()
    ((_, instance),) = group.rounds[0].items()
    return bytes(instance)


def _file_of_many_values(size: int) -> bytes:
    return _file(lambda dataset: setattr(dataset, "ImageType", ["A"] * (size // 2)))


def _file_of_sequences(size: int) -> bytes:
    """One with a sequence in each item of a sequence."""

    def add(dataset: Dataset) -> None:
        items = [Dataset() for _ in range(size // 50)]
        for item in items:
            item.ConceptNameCodeSequence = Sequence([Dataset()])
            item.ConceptNameCodeSequence[0].CodeMeaning = "A"
        dataset.ConceptNameCodeSequence = Sequence(items)

    return _file(add)


def _file(add: Callable[[Dataset], None]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.SOPInstanceUID = generate_uid()
        add(dataset)
        written = io.BytesIO()
        pydicom.dcmwrite(written, dataset)
    return written.getvalue()


def packed(name: str, size: int) -> Path:
    """The gzip file of a shape of so many plain bytes."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / f"{name.replace(' ', '-').replace(',', '')}.json.gz"
    with igzip.open(path, "wb", compresslevel=1) as file:  # type: ignore[no-untyped-call]
        file.writelines(SHAPES[name](size))
    return path


class Figures(NamedTuple):
    """What became of one document: whether the good message was indexed, and the hostile one's outcome."""

    shape: str
    mib: int
    good: bool
    outcome: str
    seconds: float
    peak: float


def tried(package: Path, name: str, mib: int, *, timeout: float = FUNCTION_SECONDS) -> Figures:
    """A batch of a good message and one of this document, to a function that was just started."""
    document = packed(name, mib * MIB)
    try:
        with stub.running(0, _PROFILE, [documents.packed("mr_100"), document]) as running:
            variables = running.variables(_PROFILE) | {"PROFILE": "profile.toml"}
            with Runtime(package, _HANDLER, memory=_MEMORY, variables=variables, timeout=timeout) as runtime:
                answer = runtime.invoke(event(1, 2))
    finally:
        document.unlink()
    failed = [each["itemIdentifier"] for each in (answer.payload or {}).get("batchItemFailures", [])]
    outcome = answer.outcome
    if outcome == "answered":
        outcome = "refused: " + _reason(answer.log) if "message-1" in failed else "indexed"
    return Figures(
        name,
        mib,
        answer.outcome == "answered" and "message-0" not in failed,
        outcome,
        answer.seconds,
        answer.peak / MIB,
    )


def _reason(log: str) -> str:
    lines = [line for line in log.splitlines() if "Poison" in line]
    for line in lines:
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        return str(told.get("reason", told))
    return log[-300:]


def built() -> Path:
    """The function's package for this machine."""
    platform = Platform.of("host", "arm64")
    return Bundle(_PROFILE, platform, platform.compiler()).build()


def main() -> int:
    """Print the table; exit status 1 when a document ended the function, or kept the good message from the index."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hostile", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--mib", type=int, nargs="+", default=SIZES, help="sizes of the documents, plain")
    parser.add_argument("shapes", nargs="*", help="parts of the names of shapes; all of them without")
    chosen = parser.parse_args()
    package = built()
    sys.stdout.write("".join(f"{line}\n" for line in conditions()))
    sys.stdout.write(
        "| document | MiB | good message | outcome | seconds | peak, MiB |\n| --- | --: | --- | --- | --: | --: |\n"
    )
    ended = 0
    for name in SHAPES:
        if chosen.shapes and not any(part in name for part in chosen.shapes):
            continue
        for mib in chosen.mib:
            each = tried(package, name, mib)
            good = "indexed" if each.good else "LOST"
            sys.stdout.write(f"| {name} | {mib} | {good} | {each.outcome} | {each.seconds:.1f} | {each.peak:.0f} |\n")
            sys.stdout.flush()
            ended += not each.good
    return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(main())
