"""What GridFS decides: how files are cut into chunks, and what is read of them."""
