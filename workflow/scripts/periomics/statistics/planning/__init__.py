"""Before the study: power and animals needed, animals to arms, specimens to batches."""
