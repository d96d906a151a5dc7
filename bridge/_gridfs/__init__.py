"""GridFS for event loops: files are written and read in the caller's task."""
