"""Between event loops and the hub thread: how a task's call gets there, and its outcome back."""
