"""How often verdicts are right, measured on simulated studies of the design at hand."""
