"""Readouts of cultures: scratch closure and plate assays."""
