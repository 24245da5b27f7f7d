"""Readouts of stained sections: vessels, neutrophils, lacunae, the laminin-332 line."""
