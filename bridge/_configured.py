"""What async clients, databases and collections have in common: four options and their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from bridge._delegate import Facade

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from pymongo.write_concern import WriteConcern

    from greenmongo.lowlevel import ReadMode

__all__ = ["ConfiguredFacade"]


class Configured(Protocol):
    """The four options of a blocking client, database or collection."""

    @property
    def codec_options(self) -> CodecOptions[Any]: ...

    @property
    def read_preference(self) -> ReadMode: ...

    @property
    def write_concern(self) -> WriteConcern: ...

    @property
    def read_concern(self) -> ReadConcern: ...


C_co = TypeVar("C_co", bound=Configured, covariant=True)


class ConfiguredFacade(Facade[C_co]):
    """Equal to another face of an equal object; neither true nor iterable, as in PyMongo."""

    @property
    def codec_options(self) -> CodecOptions[Any]:
        """How documents are encoded and decoded."""
        return self._sync.codec_options

    @property
    def read_preference(self) -> ReadMode:
        """Which servers may answer reads."""
        return self._sync.read_preference

    @property
    def write_concern(self) -> WriteConcern:
        """When a write counts as done."""
        return self._sync.write_concern

    @property
    def read_concern(self) -> ReadConcern:
        """Which data reads may see."""
        return self._sync.read_concern

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ConfiguredFacade):
            return bool(self._sync == other._sync)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._sync)

    # Python would iterate by __getitem__, without an end.
    __iter__ = None

    def __next__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    next = __next__
