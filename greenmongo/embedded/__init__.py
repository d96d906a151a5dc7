"""A local MongoDB server for demos and tests: started in seconds, gone without a trace."""

from greenmongo.embedded._binary import ServerBinary, find_server
from greenmongo.embedded._errors import EmbeddedServerError
from greenmongo.embedded._launch import TLSFiles
from greenmongo.embedded._member import Member
from greenmongo.embedded._server import MongoServer

__all__ = [
    "EmbeddedServerError",
    "Member",
    "MongoServer",
    "ServerBinary",
    "TLSFiles",
    "find_server",
]
