"""The Lambda functions' entry points: thin, one a file."""
