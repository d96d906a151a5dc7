"""Sessions and transactions, without I/O: Driver Sessions, Causal Consistency, Transactions.

- `server_session`, `server_session_pool`: what the server knows as a session, and the free ones.
- `client_session`: a session as operations and callers see it: its options, and what times it saw.
- `transaction`: the states of a transaction, as a table, and what a transaction remembers.
- `command_fields`: what a session or a transaction adds to a command, takes from a reply, and what
  an error does to it.
"""
