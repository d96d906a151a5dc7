"""What is decided of requests, without a socket: nesting, member, deadlocks, errors."""
