"""Reading a published index, from wherever static files are served. Nothing beyond the standard library, but for
buckets.

`index` is the way in. `address` says what a location means; `web`, `folder` and `bucket` bring files from there;
`objects` verifies and keeps them, `memory` remembers what was seen.
"""

from .address import is_index
from .index import PublishedIndex

__all__ = ["PublishedIndex", "is_index"]
