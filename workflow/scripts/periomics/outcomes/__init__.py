"""From measurements to one value per animal and outcome."""
