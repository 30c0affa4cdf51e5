"""What the index announces: live in a terminal, and once more."""
