"""The files of versions: in DVC's remote and cache as DVC keeps them, in time that does not grow.

`store` is the way in. `config` reads DVC's levels of configuration, `survey` what is to be stored;
`directory` keeps objects in a local directory, `remote` (the only importer of DVC) on any server that DVC
knows, `verified` in muster's own cache. `intake` brings files in, `delivery` out; `hashing`, `disk` and
`progress` serve them.
"""
