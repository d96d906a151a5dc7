"""What the classes with Motor's habits have in common, and those of GridFS."""
