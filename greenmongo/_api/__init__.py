"""The blocking classes: validate, build a command, hand it to the executor, shape the result."""
