"""`imaging-index local`: the whole index on this machine."""
