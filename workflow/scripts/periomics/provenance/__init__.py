"""What was run, on what, with what."""
