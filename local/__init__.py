"""Stands in for AWS on this machine: HealthImaging, a cloud around it, and the stack deployed into that."""
