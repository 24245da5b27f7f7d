"""The check: everything that can be wrong in a study, found before anything runs."""
