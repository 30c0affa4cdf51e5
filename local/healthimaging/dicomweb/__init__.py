"""DICOMweb as the service has it for viewers: the metadata and the pixels of a series, and what a study has.

The paths are those of the developer guide ("Using DICOMweb with AWS HealthImaging"). Of the service's own host,
`dicom-medical-imaging`, only these are here. They answer with primary image sets, or with the one of `imageSetId`.
"""
