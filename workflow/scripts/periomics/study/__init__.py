"""Sheets, configuration, units, outcome dictionary, seeds, logs: what every other area may import."""
