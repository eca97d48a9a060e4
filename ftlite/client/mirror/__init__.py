"""Making one directory like another: here and on a server, or on two servers.

`compare` lists both and gives the plan (`plan`, pure), `carry_out` does what it says.
"""

from __future__ import annotations

from ftlite.client.mirror.compare import Compared, compare
from ftlite.client.mirror.model import Item, Links, Listing, Wanted
from ftlite.client.mirror.plan import Act, Action, Plan, Policy, Reason, make_plan
from ftlite.client.mirror.run import Done, MirrorReport, carry_out
from ftlite.client.mirror.sides import LocalSide, RemoteSide, Side

__all__ = [
    "Act", "Action", "Compared", "Done", "Item", "Links", "Listing", "LocalSide", "MirrorReport", "Plan", "Policy",
    "Reason", "RemoteSide", "Side", "Wanted", "carry_out", "compare", "make_plan",
]  # fmt: skip
