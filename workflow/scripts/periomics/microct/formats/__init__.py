"""Scans as files: headers, pixels by planes, and what is written."""
