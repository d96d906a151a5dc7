"""The blocking classes, under the names of PyMongo's modules."""
