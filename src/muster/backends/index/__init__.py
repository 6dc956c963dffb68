"""The index: the rows of one commit of a registry in a SQLite file, which answers what lists and searches ask.

It is derived, so it may be thrown away at any time, and it never decides anything: it answers at exactly the commit that
was asked for, or not at all. Whatever goes wrong with the file is Unavailable, and then the registry itself is read.
`database.Index` is imported by whoever opens one: most commands do not.
"""

from .files import IndexFile, index_files, path_of, prune, remove

__all__ = ["IndexFile", "index_files", "path_of", "prune", "remove"]
