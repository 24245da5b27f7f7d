"""Claims: read as a plan, estimated, judged, and compared with what was declared."""
