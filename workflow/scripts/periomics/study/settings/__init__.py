"""What each area can be told: one module of models an area, the one place of every key, unit, default and limit."""
