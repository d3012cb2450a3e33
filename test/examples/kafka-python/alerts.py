"""Reads alerts with a plain Kafka client, by what the AsyncAPI document says of them; a line of JSON for each.

usage: alerts.py ASYNCAPI.json BROKER GROUP [MOST]
"""
import json
import sys

from kafka import KafkaConsumer

document_path, broker, group, *most = sys.argv[1:]
with open(document_path, encoding="utf-8") as file:
    document = json.load(file)


def resolve(node):
    """Follows a reference inside the document."""
    while "$ref" in node:
        target = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


channel = document["channels"]["mcpAlerts"]
message = resolve(channel["messages"]["mcpAlerts"])
schema = resolve(message["payload"])
schema = resolve(schema.get("schema", schema))


def alert_in(record):
    """The alert of a record; None where it lacks what the document requires."""
    try:
        alert = json.loads(record.value)
    except ValueError:
        return None
    if not isinstance(alert, dict) or any(name not in alert for name in schema["required"]):
        return None
    return alert


# With TLS and a password: security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", ssl_cafile=…, sasl_plain_username=…, sasl_plain_password=…
consumer = KafkaConsumer(
    channel["address"],
    bootstrap_servers=broker,
    group_id=group,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)

handled = 0
newest = {}  # Number of the newest alert by lane: a detector that starts again may publish some twice.
for record in consumer:
    alert = alert_in(record)
    source = alert["unmapped"]["source"] if alert else None
    if alert and source["seq"] > newest.get(source["lane"], -1):
        newest[source["lane"]] = source["seq"]
        about = {"uid": alert["metadata"]["uid"], "rule": alert["finding_info"]["analytic"]["name"]}
        print(json.dumps({**about, "severity": alert["severity_id"], "message": alert["message"]}), flush=True)
        handled += 1
    # After the alert is done with: what was in hand at a crash comes again, under the same uid.
    consumer.commit()
    if most and handled >= int(most[0]):
        break
consumer.close()
