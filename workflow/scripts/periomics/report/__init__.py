"""The self-contained report; reads files only."""
