"""QIDO-RS on the index (PS3.18, section 10.6): a request in, an answer out, whatever carries them."""
