"""Small forges for tests: real bare repositories, pull requests kept in memory, both behind one HTTP server.

What they say, and what they are asked, is held to what the forges publish of their API; see tests/forges/trim.py.
"""
