"""Columns of result tables that an area writes and the report reads: each list stands here only."""
