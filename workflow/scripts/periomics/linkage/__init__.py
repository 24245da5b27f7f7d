"""Which pathways track the outcomes, and through which signalling route."""
