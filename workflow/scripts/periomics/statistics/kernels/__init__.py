"""Estimates, intervals and tests on arrays; nothing here knows of a claim."""
