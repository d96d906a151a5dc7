"""The two words of the SDAM specification that everything turns on: server and topology types."""

from __future__ import annotations

from enum import Enum

__all__ = ["ServerKind", "TopologyKind"]


class ServerKind(Enum):
    """What a server is, by the name the specification gives it.

    The order is that of the integers PyMongo shows as `ServerDescription.server_type`.
    """

    UNKNOWN = "Unknown"
    MONGOS = "Mongos"
    RS_PRIMARY = "RSPrimary"
    RS_SECONDARY = "RSSecondary"
    RS_ARBITER = "RSArbiter"
    RS_OTHER = "RSOther"
    RS_GHOST = "RSGhost"
    STANDALONE = "Standalone"
    LOAD_BALANCER = "LoadBalancer"


class TopologyKind(Enum):
    """What a deployment is, by the name the specification gives it.

    The order is that of the integers PyMongo shows as `TopologyDescription.topology_type`.
    """

    SINGLE = "Single"
    REPLICA_SET_NO_PRIMARY = "ReplicaSetNoPrimary"
    REPLICA_SET_WITH_PRIMARY = "ReplicaSetWithPrimary"
    SHARDED = "Sharded"
    UNKNOWN = "Unknown"
    LOAD_BALANCED = "LoadBalanced"
