"""Moves code from PyMongo, Motor and PyMongo 2 to this driver, and says what is left to a person.

A file is read into a concrete syntax tree (libcst), which keeps comments and layout. `imports`
gives names their new home, `motor` turns Motor's awaits into PyMongo's if that is asked for, and
`remarks` lists what cannot be changed by rule. `source` does all of it to one file.
"""
