"""Options of client-side encryption: PyMongo's classes. `MongoClient` takes none of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pymongo.encryption_options as _theirs

if TYPE_CHECKING:
    from pymongo.encryption_options import AutoEncryptionOpts as AutoEncryptionOpts
    from pymongo.encryption_options import RangeOpts as RangeOpts

# Nearly each release of PyMongo has more of them.
_CLASSES = {
    name: value
    for name, value in vars(_theirs).items()
    if inspect.isclass(value) and value.__module__ == _theirs.__name__ and name[0] != "_"
}
globals().update(_CLASSES)

__all__ = ["AutoEncryptionOpts", "RangeOpts"]
__all__ += sorted(_CLASSES.keys() - {*__all__})
