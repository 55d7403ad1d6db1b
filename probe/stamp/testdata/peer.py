"""Reads and writes STAMP packets by scapy's contrib.stamp, for scapy_test.go.

One JSON object a line comes on standard input and one goes: {"read": HEX, "as":
"request" or "reply"} gives the fields, {"write": FIELDS, "as": ...} gives the
bytes. What scapy does not know of STAMP it does not read here either: values of
TLVs are bytes, and there is no authenticated mode.
"""

import json
import sys
from fractions import Fraction

from scapy.contrib import stamp

KINDS = {
    "request": stamp.STAMPSessionSenderTestUnauthenticated,
    "reply": stamp.STAMPSessionReflectorTestUnauthenticated,
}
# Our names of fields, scapy's, and where a timestamp's format is said.
PLAIN = {
    "sequence": "seq", "ssid": "ssid",
    "sender_sequence": "seq_sender", "ttl": "ttl_sender",
}
STAMPS = {
    "timestamp": ("ts", "err_estimate"), "received": ("ts_rx", "err_estimate"),
    "sender_timestamp": ("ts_sender", "err_estimate_sender"),
}
ESTIMATES = {"error": "err_estimate", "sender_error": "err_estimate_sender"}


def known(kind, names):
    fields = {f.name for f in KINDS[kind].fields_desc}
    return {ours: name for ours, name in names.items()
            if (name[0] if isinstance(name, tuple) else name) in fields}


def estimate(e):
    return {"synced": bool(e.S), "ptp": bool(e.Z), "scale": e.scale, "multiplier": e.multiplier}


def read(kind, packet):
    p = KINDS[kind](packet)
    fields = {ours: getattr(p, name) for ours, name in known(kind, PLAIN).items()}
    fields |= {ours: estimate(getattr(p, name)) for ours, name in known(kind, ESTIMATES).items()}
    for ours, (name, _) in known(kind, STAMPS).items():
        fields[ours] = "%016x" % p.getfieldval(name)
    fields["tlvs"] = [{"flags": int(t.flags), "type": t.type, "value": bytes(t.value).hex()} for t in p.tlv_objects]
    return fields


def write(kind, fields):
    p = KINDS[kind]()
    for ours, name in known(kind, PLAIN).items():
        setattr(p, name, fields[ours])
    for ours, name in known(kind, ESTIMATES).items():
        e = fields[ours]
        setattr(p, name, stamp.ErrorEstimate(S=e["synced"], Z=e["ptp"], scale=e["scale"], multiplier=e["multiplier"]))
    for ours, (name, where) in known(kind, STAMPS).items():
        bits = int(fields[ours], 16)
        # scapy takes NTP timestamps in seconds, and others as they stand.
        setattr(p, name, bits if getattr(p, where).Z else Fraction(bits, 1 << 32))
    p.tlv_objects = [
        stamp.STAMPTestTLV(flags=t["flags"], type=t["type"], len=len(t["value"]) // 2, value=bytes.fromhex(t["value"]))
        for t in fields["tlvs"]
    ]
    return bytes(p).hex()


for line in sys.stdin:
    order = json.loads(line)
    if "read" in order:
        answer = read(order["as"], bytes.fromhex(order["read"]))
    else:
        answer = write(order["as"], order["write"])
    print(json.dumps(answer), flush=True)
