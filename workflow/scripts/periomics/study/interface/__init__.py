"""What an area writes and the report reads, columns and names: each stands here only."""
