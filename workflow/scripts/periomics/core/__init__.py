"""The ground floor: errors, files, tables, logs, seeds, figures, digests of code. Imports no other area."""
