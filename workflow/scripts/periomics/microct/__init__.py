"""Bone and peri-implant morphometry from micro-CT volumes."""
