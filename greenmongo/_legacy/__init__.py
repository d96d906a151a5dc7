"""The PyMongo 2.x face: Connection, ReplicaSetConnection and their methods."""
