"""Imaging Index: keeps a DynamoDB table of the DICOM attributes that an operator selected from AWS HealthImaging."""
