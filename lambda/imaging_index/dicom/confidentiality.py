"""Which attributes may identify a person, for what leaves the table.

The Basic Application Level Confidentiality Profile (PS3.15, table E.1-1) lists the attributes that de-identification
replaces or removes. Here it is the other way round: only what is known to be harmless counts as harmless, and not what
DICOM adds later.
"""

from typing import Final

from imaging_index.dicom import dictionary, vrs
from imaging_index.dicom.dictionary import Level

# Texts and UIDs of kinds of devices and of objects. None of them is in table E.1-1.
_HARMLESS: Final = frozenset(
    {
        *("Manufacturer", "ManufacturerModelName", "SoftwareVersions"),
        *("SOPClassUID", "TransferSyntaxUID", "ConvolutionKernel"),
    }
)
# The groups of the patient, clinical trials, requests and visits.
_OF_PEOPLE: Final = ("0010", "0012", "0032", "0038")


def identifies(keyword: str, vr: str) -> bool:
    """Whether the values of an attribute, by its keyword and VR, may identify a person.

    Codes and numbers of a series or an instance do not. Whatever describes the patient or the study may, and so may any
    other text, date, time, name or UID.
    """
    element = dictionary.lookup(keyword)
    if element is None or element.level in (Level.PATIENT, Level.STUDY) or element.tag.startswith(_OF_PEOPLE):
        return True
    return keyword not in _HARMLESS and vr != "CS" and vr not in vrs.NUMBERS
