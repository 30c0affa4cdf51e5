"""Where multi-frame objects keep what others have at the top: PS3.3, section C.7.6.16, and the macros of sections C.8.

Enhanced objects hold such values in items of SharedFunctionalGroupsSequence (of all frames) or of
PerFrameFunctionalGroupsSequence (one item a frame), each in a sequence that its macro defines. Only the macros listed
here are looked into: private sequences repeat the same keywords with other values.
"""

from typing import Final

PER_FRAME: Final = "PerFrameFunctionalGroupsSequence"
GROUPS: Final = ("SharedFunctionalGroupsSequence", PER_FRAME)

# Keyword (or the sequence that a path begins with) -> the macro's sequence and the attribute in it.
MACROS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "AcquisitionDateTime": (("FrameContentSequence", "FrameAcquisitionDateTime"),),
    "AnatomicRegionSequence": (("FrameAnatomySequence", "AnatomicRegionSequence"),),
    "ConvolutionKernel": (("CTReconstructionSequence", "ConvolutionKernel"),),
    "DiffusionBValue": (("MRDiffusionSequence", "DiffusionBValue"),),
    "EchoTime": (("MREchoSequence", "EffectiveEchoTime"),),
    "EchoTrainLength": (("MRTimingAndRelatedParametersSequence", "EchoTrainLength"),),
    "FlipAngle": (("MRTimingAndRelatedParametersSequence", "FlipAngle"),),
    "ImageLaterality": (("FrameAnatomySequence", "FrameLaterality"),),
    "ImageOrientationPatient": (("PlaneOrientationSequence", "ImageOrientationPatient"),),
    "ImagePositionPatient": (("PlanePositionSequence", "ImagePositionPatient"),),
    "KVP": (("CTXRayDetailsSequence", "KVP"),),
    "PixelSpacing": (("PixelMeasuresSequence", "PixelSpacing"),),
    "RepetitionTime": (("MRTimingAndRelatedParametersSequence", "RepetitionTime"),),
    "RescaleIntercept": (("PixelValueTransformationSequence", "RescaleIntercept"),),
    "RescaleSlope": (("PixelValueTransformationSequence", "RescaleSlope"),),
    "SliceThickness": (("PixelMeasuresSequence", "SliceThickness"),),
    "SpacingBetweenSlices": (("PixelMeasuresSequence", "SpacingBetweenSlices"),),
    "WindowCenter": (("FrameVOILUTSequence", "WindowCenter"),),
    "WindowWidth": (("FrameVOILUTSequence", "WindowWidth"),),
}


def paths(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The further places of the attribute at `path`: none for one that no standard macro holds."""
    return [(group, *macro, *path[1:]) for macro in MACROS.get(path[0], ()) for group in GROUPS]
