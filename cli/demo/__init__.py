"""`imaging-index demo`: the whole index on this machine, shown step by step."""
