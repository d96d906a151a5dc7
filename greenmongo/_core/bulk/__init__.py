"""Writes of several messages: how they are split, and what their replies add up to."""
