"""The decision table: which role each route needs. What has no row here does not exist."""

from mlpi.auth.table.match import Match, RouteTable
from mlpi.auth.table.rows import ROWS

TABLE = RouteTable(ROWS)

__all__ = ["TABLE", "Match", "RouteTable"]
