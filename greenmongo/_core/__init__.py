"""The decision layer: pure functions and values. Time, randomness and environment are arguments."""
