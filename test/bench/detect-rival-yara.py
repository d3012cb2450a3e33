"""Answers each line, an event of the labelled set, with what the YARA rules of Cisco's mcp-scanner find."""
import json
import sys
import time
from importlib.metadata import files

import yara

shipped = [each for each in files("cisco-ai-mcp-scanner") if each.suffix == ".yara"]
rules = yara.compile(sources={each.name: each.read_text(encoding="utf-8") for each in shipped})
print("{}", flush=True)

for line in sys.stdin:
    event = json.loads(line)
    args = event.get("arguments")
    text = json.dumps(args, ensure_ascii=False) if event["kind"] == "tool_args" and args is not None else event.get("text", "")
    before = time.process_time()
    names = sorted({match.rule for match in rules.match(data=text)})
    cpu_ms = (time.process_time() - before) * 1000
    print(json.dumps({"score": 1 if names else 0, "rules": names, "cpuMs": cpu_ms}), flush=True)
