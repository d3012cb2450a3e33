# Writes an encrypted Parquet file with PyArrow: python parquet.py FILE KEY-HEX ROWS OPTIONS-JSON
# The options go to create_encryption_properties ("encryption") and write_table ("file").
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

path, key, rows, options = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
encryption = options.get("encryption", {})
if "aad_prefix" in encryption:
    encryption["aad_prefix"] = encryption["aad_prefix"].encode()
table = pa.table(
    {
        "tenant": [f"tenant-{row % 3}" for row in range(rows)],
        "time": pa.array([1_790_000_000_000 + row for row in range(rows)], pa.timestamp("ms")),
        "tags": [[f"tag-{row % 5}"] * (row % 3) for row in range(rows)],
        "note": [None if row % 7 == 0 else f"note {row}" for row in range(rows)],
        "raw": [f'{{"row":{row}}}'.encode() for row in range(rows)],
    }
)
properties = pe.create_encryption_properties(key, **encryption)
pq.write_table(table, path, encryption_properties=properties, **{"compression": "zstd", **options.get("file", {})})
