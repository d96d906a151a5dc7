"""The async faces of the classes of PyMongo 2.x."""
