"""The deeds: sockets, pool, topology and executor. Everything here runs on the hub thread."""
