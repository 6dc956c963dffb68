"""Publishing a registry's index: static files that any web server or bucket hands out, and looking after them."""

from .publish import KEEP, Published, Wanted, publish, publish_to
from .verifying import Verified, verify

__all__ = ["KEEP", "Published", "Verified", "Wanted", "publish", "publish_to", "verify"]
