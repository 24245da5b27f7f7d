"""Contrasts, multiplicity, rescue, equivalence and verdicts."""
