"""The crossing: the hub thread and the ways in. Knows nothing of MongoDB."""
