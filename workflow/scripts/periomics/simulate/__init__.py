"""Simulated studies whose truth is known for every reported number."""
