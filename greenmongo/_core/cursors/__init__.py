"""The state of cursors: what they ask for next, and the documents they have not decoded yet."""
