"""How fast one `find_one` by `_id` is, through every door and beside its peers."""
