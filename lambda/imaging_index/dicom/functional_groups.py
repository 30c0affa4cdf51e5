"""Functional groups: where multi-frame objects keep what others have at the top (PS3.3, sections C.7.6.16 and C.8).

Enhanced objects hold such values in items of SharedFunctionalGroupsSequence (of all frames) or of
PerFrameFunctionalGroupsSequence (one item a frame), each in a sequence that its macro defines. Those that were
converted from single frames ("Legacy Converted") have a sequence for all that no macro has. Only the places listed here
are looked into: private sequences repeat the same keywords with other values.
"""

from typing import Final

SHARED: Final = "SharedFunctionalGroupsSequence"
PER_FRAME: Final = "PerFrameFunctionalGroupsSequence"
GROUPS: Final = (SHARED, PER_FRAME)

# Sections C.7.6.16.2.25 and C.7.6.16.2.26: what single frames had at the top, and the converted object has not.
CONVERTED: Final = {
    SHARED: "UnassignedSharedConvertedAttributesSequence",
    PER_FRAME: "UnassignedPerFrameConvertedAttributesSequence",
}

# What an object with pixels always has at the top itself: the modules SOP Common (C.12.1), General Image (C.7.6.1),
# Image Pixel (C.7.6.3) and Multi-frame Functional Groups (C.7.6.16), and the file's meta information (PS3.10, 7.1).
_AT_THE_TOP: Final = frozenset(
    {
        *("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet", "TimezoneOffsetFromUTC", "InstanceNumber"),
        *("ImageType", "ContentDate", "ContentTime", "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel"),
        *("PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit"),
        *("PixelRepresentation", "TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"),
        *("ImplementationClassUID", "ImplementationVersionName", "SourceApplicationEntityTitle", *GROUPS),
    }
)

# The macros, each with the attributes that it contains under their own keywords.
_HELD: Final[dict[str, tuple[str, ...]]] = {
    # C.7.6.16.2, of all modalities
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),  # .1
    "PlanePositionSequence": ("ImagePositionPatient",),  # .3
    "PlaneOrientationSequence": ("ImageOrientationPatient",),  # .4
    "DerivationImageSequence": ("DerivationCodeSequence", "DerivationDescription", "SourceImageSequence"),  # .6
    "CardiacSynchronizationSequence": (  # .7
        *("HeartRate", "HighRRValue", "IntervalsAcquired", "IntervalsRejected", "LowRRValue"),
        *("NominalCardiacTriggerDelayTime", "NominalPercentageOfCardiacPhase"),
    ),
    "FrameAnatomySequence": ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence"),  # .8
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),  # .9 and C.8.15.3.10
    "FrameVOILUTSequence": ("VOILUTFunction", "WindowCenter", "WindowCenterWidthExplanation", "WindowWidth"),  # .10
    "PatientOrientationInFrameSequence": ("PatientOrientation",),  # .15
    "RespiratorySynchronizationSequence": ("NominalPercentageOfRespiratoryPhase",),  # .17
    "IrradiationEventIdentificationSequence": ("IrradiationEventUID",),  # .18
    "PlanePositionVolumeSequence": ("ImagePositionVolume",),  # .21
    "PlaneOrientationVolumeSequence": ("ImageOrientationVolume",),  # .22
    "TemporalPositionSequence": ("TemporalPositionTimeOffset",),  # .23
    # C.8.13.5, magnetic resonance; its spectroscopy in C.8.14.3
    "MRImageFrameTypeSequence": ("AcquisitionContrast", "ComplexImageComponent", "FrameType"),  # .1
    "MRTimingAndRelatedParametersSequence": (  # .2
        *("EchoTrainLength", "FlipAngle", "GradientEchoTrainLength", "RFEchoTrainLength", "RepetitionTime"),
    ),
    "MRFOVGeometrySequence": ("InPlanePhaseEncodingDirection", "PercentPhaseFieldOfView", "PercentSampling"),  # .3
    "MRModifierSequence": ("InversionRecovery", "InversionTimes", "ParallelAcquisition", "PartialFourier"),  # .5
    "MRImagingModifierSequence": ("MagnetizationTransfer", "PixelBandwidth", "TransmitterFrequency"),  # .6
    "MRReceiveCoilSequence": ("ReceiveCoilName", "ReceiveCoilType"),  # .7
    "MRTransmitCoilSequence": ("TransmitCoilName", "TransmitCoilType"),  # .8
    "MRDiffusionSequence": ("DiffusionAnisotropyType", "DiffusionBValue", "DiffusionDirectionality"),  # .9
    "MRAveragesSequence": ("NumberOfAverages",),  # .10
    "MRSpectroscopyFrameTypeSequence": ("AcquisitionContrast", "ComplexImageComponent", "FrameType"),
    "MRSpectroscopyFOVGeometrySequence": ("PercentPhaseFieldOfView", "PercentSampling"),
    # C.8.15.3, computed tomography
    "CTImageFrameTypeSequence": ("FrameType",),  # .1
    "CTAcquisitionTypeSequence": ("AcquisitionType",),  # .2
    "CTAcquisitionDetailsSequence": (  # .3
        *("DataCollectionDiameter", "GantryDetectorTilt", "RevolutionTime", "RotationDirection"),
        *("SingleCollimationWidth", "TableHeight", "TotalCollimationWidth"),
    ),
    "CTTableDynamicsSequence": ("SpiralPitchFactor", "TableFeedPerRotation", "TableSpeed"),  # .4
    "CTPositionSequence": (  # .5
        *("DataCollectionCenterPatient", "ReconstructionTargetCenterPatient", "TablePosition"),
    ),
    "CTGeometrySequence": ("DistanceSourceToDataCollectionCenter", "DistanceSourceToDetector"),  # .6
    "CTReconstructionSequence": (  # .7
        *("ConvolutionKernel", "ConvolutionKernelGroup", "ImageFilter", "ReconstructionAlgorithm"),
        *("ReconstructionDiameter", "ReconstructionFieldOfView", "ReconstructionPixelSpacing"),
    ),
    "CTExposureSequence": (  # .8
        *("CTDIPhantomTypeCodeSequence", "CTDIvol", "ExposureInmAs", "ExposureModulationType", "ExposureTimeInms"),
        *("WaterEquivalentDiameter", "XRayTubeCurrentInmA"),
    ),
    "CTXRayDetailsSequence": ("FilterMaterial", "FilterType", "FocalSpots", "KVP"),  # .9
    # C.8.19.6, angiography and fluoroscopy; also of breast projections (A.74.4)
    "XAXRFFrameCharacteristicsSequence": (  # .1
        *("AcquisitionDeviceProcessingCode", "AcquisitionDeviceProcessingDescription"),
        *("DerivationCodeSequence", "DerivationDescription"),
    ),
    "FieldOfViewSequence": (  # .2
        *("FieldOfViewHorizontalFlip", "FieldOfViewOrigin", "FieldOfViewRotation", "FieldOfViewShape"),
    ),
    "FramePixelDataPropertiesSequence": (  # .4
        *("FrameType", "ImagerPixelSpacing", "PixelIntensityRelationship", "PixelIntensityRelationshipSign"),
    ),
    "ObjectThicknessSequence": ("CalculatedAnatomyThickness",),  # .7
    "FrameAcquisitionSequence": ("ExposureInmAs", "ExposureTimeInms", "KVP", "XRayTubeCurrentInmA"),  # .8
    "ProjectionPixelCalibrationSequence": ("DistanceObjectToTableTop", "TableHeight"),  # .9
    "PositionerPositionSequence": ("PositionerPrimaryAngle", "PositionerSecondaryAngle"),  # .10
    "TablePositionSequence": (  # .11
        *("TableTopLateralPosition", "TableTopLongitudinalPosition", "TableTopVerticalPosition"),
    ),
    "CollimatorShapeSequence": ("CollimatorShape",),  # .12
    "XRayGeometrySequence": (  # .14
        *("DistanceSourceToDetector", "DistanceSourceToPatient", "EstimatedRadiographicMagnificationFactor"),
    ),
    # A.74.4, breast projections alone
    "XRayAcquisitionDoseSequence": (
        *("EntranceDoseInmGy", "ExposureInmAs", "ExposureTimeInms", "HalfValueLayer", "OrganDose"),
        "RelativeXRayExposure",
    ),
    "XRayFilterSequence": ("FilterMaterial", "FilterType"),
    "XRayGridSequence": ("Grid",),
    # C.8.22.5, positron emission tomography
    "PETFrameTypeSequence": ("FrameType",),  # .1
    "PETFrameAcquisitionSequence": ("DataCollectionDiameter", "GantryDetectorTilt", "TableHeight"),  # .2
    "PETDetectorMotionDetailsSequence": ("RevolutionTime", "RotationDirection"),  # .3
    "PETPositionSequence": (  # .4
        *("DataCollectionCenterPatient", "ReconstructionTargetCenterPatient", "TablePosition"),
    ),
    "PETFrameCorrectionFactorsSequence": (  # .5
        *("DeadTimeFactor", "DecayFactor", "PrimaryPromptsCountsAccumulated", "ScatterFractionFactor"),
        "SliceSensitivityFactor",
    ),
    "PETReconstructionSequence": (  # .6
        *("IterativeReconstructionMethod", "NumberOfIterations", "NumberOfSubsets", "ReconstructionAlgorithm"),
        *("ReconstructionDiameter", "ReconstructionFieldOfView", "ReconstructionType"),
    ),
    "PETTableDynamicsSequence": ("TableSpeed",),  # .7
    # X-Ray 3D (C.8.21.5.1), volumes of ultrasound (C.8.24), intravascular OCT (C.8.27), whole slides (C.8.12),
    # parametric maps (C.8.32)
    "XRay3DFrameTypeSequence": ("FrameType",),
    "USImageDescriptionSequence": ("FrameType",),
    "IntravascularOCTFrameTypeSequence": ("FrameType",),
    "WholeSlideMicroscopyImageFrameTypeSequence": ("FrameType",),
    "ParametricMapFrameTypeSequence": ("FrameType",),
    "OpticalPathIdentificationSequence": ("OpticalPathIdentifier",),
    # The second tube of a CT (C.8.15.3.11): behind what is told of the first.
    "CTAdditionalXRaySourceSequence": (
        *("DataCollectionDiameter", "ExposureInmAs", "FilterMaterial", "FilterType", "FocalSpots", "KVP"),
        "XRayTubeCurrentInmA",
    ),
}

# What a macro contains under another keyword, or deeper: the path of each.
_ELSEWHERE: Final[dict[str, tuple[str, ...]]] = {
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),  # C.7.6.16.2.2
    "AcquisitionNumber": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "DiffusionGradientOrientation": (  # C.8.13.5.9
        *("MRDiffusionSequence", "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation"),
    ),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),  # C.8.13.5.4
    "ImageComments": ("FrameContentSequence", "FrameComments"),
    "ImageLaterality": ("FrameAnatomySequence", "FrameLaterality"),  # C.7.6.16.2.8
    "ImagingFrequency": ("MRImagingModifierSequence", "TransmitterFrequency"),  # C.8.13.5.6
    "InversionTime": ("MRModifierSequence", "InversionTimes"),  # C.8.13.5.5
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "TriggerTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),  # C.7.6.16.2.7
    # Sequences that are macros themselves
    "ContrastBolusUsageSequence": ("ContrastBolusUsageSequence",),  # C.7.6.16.2.12
    "RealWorldValueMappingSequence": ("RealWorldValueMappingSequence",),  # C.7.6.16.2.11
    "ReferencedImageSequence": ("ReferencedImageSequence",),  # C.7.6.16.2.5
}


def _macros() -> dict[str, tuple[tuple[str, ...], ...]]:
    macros: dict[str, tuple[tuple[str, ...], ...]] = {keyword: (path,) for keyword, path in _ELSEWHERE.items()}
    for macro, keywords in _HELD.items():
        for keyword in keywords:
            macros[keyword] = (*macros.get(keyword, ()), (macro, keyword))
    return macros


# Keyword (or the sequence that a path begins with) -> its paths in an item of the functional groups, in the order in
# which they are looked into.
MACROS: Final = _macros()


def paths(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The further places of the instance's attribute at `path`.

    There are none for what every object has at the top, nor for the series that it refers to: it does so as a whole.
    """
    if path[0] in _AT_THE_TOP or path[-1] == "SeriesInstanceUID":
        return []
    found = [(group, *macro, *path[1:]) for macro in MACROS.get(path[0], ()) for group in GROUPS]
    return found + [(group, converted, *path) for group, converted in CONVERTED.items()]


def instead(path: tuple[str, ...]) -> str | None:
    """The keyword to select for what is in functional groups alone; None for what is not.

    Such as DiffusionBValue for `MRDiffusionSequence.DiffusionBValue`, with a sequence of groups before it or without,
    and EchoTime for EffectiveEchoTime, which only a macro has.
    """
    inner = path[1:] if path[0] in GROUPS else path
    for keyword, places in MACROS.items():
        # A macro that is a sequence of single frames as well is looked for at the top as it is.
        if inner in places and (inner != path or inner != (keyword,)):
            return keyword
    if len(inner) == 1 and inner[0] not in MACROS:
        return next((keyword for keyword, place in _ELSEWHERE.items() if place[-1] == inner[0]), None)
    return None
