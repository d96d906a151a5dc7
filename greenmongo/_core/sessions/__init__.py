"""Sessions and transactions, without I/O: Driver Sessions, Causal Consistency, Transactions.

- `server_session`, `server_session_pool`: what the server knows as a session, and the free ones.
- `client_session`: a session as operations and callers see it.
"""
