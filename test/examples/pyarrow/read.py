"""Opens an archive of Muniment in place with PyArrow: no Muniment code reads a record here.

usage: read.py ARCHIVE COMMAND...
  ARCHIVE   folder, or a URI that pyarrow.fs knows, such as s3://bucket/prefix
  COMMAND   how muniment is run, such as: npx muniment
Prints calls per tool as JSON. Every key that it asks for is an event of the archive.
"""

import json
import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

archive, *muniment = sys.argv[1:]
where, root = fs.FileSystem.from_uri(archive) if "://" in archive else (fs.LocalFileSystem(), archive)
bucket = fs.SubTreeFileSystem(root, where)


def manifests(topic):
    """What the archive says it has; prune here by time and tenant before asking for a key."""
    selector = fs.FileSelector(f"manifest/v1/{topic}", recursive=True, allow_not_found=True)
    for info in bucket.get_file_info(selector):
        if info.type == fs.FileType.File:
            yield json.loads(bucket.open_input_stream(info.path).read())


def data_key(object_key, tenant):
    command = [*muniment, "keys", "data", object_key, "--tenant", tenant, "--print", "--json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return bytes.fromhex(json.loads(answer.stdout)["key_hex"])


def segment_bytes(obj, segment):
    """A segment is an object of its own, or a byte range of one that small tenants share."""
    with bucket.open_input_file(obj["key"]) as file:
        file.seek(segment["start"])
        return pa.BufferReader(file.read(segment["size_bytes"]))


calls = Counter()
for manifest in manifests("mcp.events"):
    for segment in manifest["segments"]:
        obj = manifest["objects"][segment["object"]]
        decryption = pe.create_decryption_properties(data_key(obj["key"], segment["tenant"]))
        table = pq.read_table(
            segment_bytes(obj, segment),
            columns=["target"],
            filters=[("kind", "=", "call")],
            decryption_properties=decryption,
        )
        calls.update(target for target in table["target"].to_pylist() if target is not None)

print(json.dumps(dict(sorted(calls.items()))))
