"""The laptop's web server: what a browser on this machine sees of the index, with the user's own credentials."""
