"""Where a log's static files are: a folder that any web server can serve, and a fake in memory."""

from adapters.tiles.files import FileTileStore
from adapters.tiles.memory import MemoryTileStore

__all__ = ["FileTileStore", "MemoryTileStore"]
