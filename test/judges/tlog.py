"""aics-tlog as a foreign reader of a tlog-tiles log: tlog.py FOLDER VKEY prints origin, size and how many tiles it audited."""

import sys
from pathlib import Path

from aics_tlog.checkpoint import verify_checkpoint
from aics_tlog.note import parse_note, parse_vkey
from aics_tlog.tiles import FileSystemTileReader
from aics_tlog.verified import audit_tiles

folder, vkey = sys.argv[1:]
note = parse_note(Path(folder, "checkpoint").read_bytes())
head = verify_checkpoint(note, parse_vkey(vkey))
if not head.ok:
    sys.exit(f"checkpoint: {head.error}")
# Its verify-checkpoint --tiles passes over flipped entries; only this reads all of them.
audit_tiles(FileSystemTileReader(folder), head.size, head.root)
print(head.origin, head.size)
