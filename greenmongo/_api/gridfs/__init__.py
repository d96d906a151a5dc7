"""GridFS: files in two collections of a database."""
