"""Bulk writes: one object for each that is under way."""
