"""A directory as one stream: a pax tar on the wire, and a manifest for what was agreed (docs/protocol.md s.5).

All of it blocks and belongs into workers. It works below directory descriptors and follows no link; an archive's
word is never trusted. TreeError tells what is wrong with a tree; an OSError of the disk leaves as it is.
"""

from ftlite.trees.compress import COMPRESSIONS
from ftlite.trees.entry import EntryKind, Position, TreeEntry, TreeLimits
from ftlite.trees.errors import Kind, TreeError
from ftlite.trees.journal import LEAST_INSIDE, Journal
from ftlite.trees.manifest import ALGORITHMS, Manifest
from ftlite.trees.pack import Packer, measure
from ftlite.trees.sweep import clear
from ftlite.trees.unpack import Unpacker
from ftlite.trees.walk import Judge, Walk

__all__ = [
    "ALGORITHMS",
    "COMPRESSIONS",
    "LEAST_INSIDE",
    "EntryKind",
    "Journal",
    "Judge",
    "Kind",
    "Manifest",
    "Packer",
    "Position",
    "TreeEntry",
    "TreeError",
    "TreeLimits",
    "Unpacker",
    "Walk",
    "clear",
    "measure",
]
