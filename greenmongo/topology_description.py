"""What is known of a deployment, under the name of PyMongo's module."""

from __future__ import annotations

from greenmongo._core.sdam.topology_description import TopologyDescription

__all__ = ["TopologyDescription"]
