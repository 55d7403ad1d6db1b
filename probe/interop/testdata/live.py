"""Speaks STAMP by scapy's contrib.stamp on a UDP socket, for scapy_linux_test.go.

"live.py reflect" answers whoever asks, and says first on which port of
127.0.0.1. "live.py send PORT COUNT" asks there, one packet after the other, and
prints of each answer what it reads, as JSON. Timestamps are NTP's; TLVs come
back as they went, since scapy knows only how they are framed.
"""

import json
import socket
import sys
import time
from fractions import Fraction

from scapy.contrib import stamp

# From 1900 to 1970, in seconds.
SINCE_NTP_EPOCH = 2208988800
SSID = 4711
TTL = 99


def now():
    return Fraction(time.time_ns(), 10**9) + SINCE_NTP_EPOCH


def seconds(packet, field):
    """A timestamp as scapy takes it back, to the bit."""
    return Fraction(packet.getfieldval(field), 1 << 32)


def reflect(udp):
    udp.bind(("127.0.0.1", 0))
    print("port", udp.getsockname()[1], flush=True)
    sequence = 0
    while True:
        data, sender = udp.recvfrom(9000)
        received = now()
        asked = stamp.STAMPSessionSenderTestUnauthenticated(data)
        reply = stamp.STAMPSessionReflectorTestUnauthenticated(
            seq=sequence, err_estimate=stamp.ErrorEstimate(S=0, Z=0, scale=1, multiplier=1),
            ssid=asked.ssid, ts_rx=received, seq_sender=asked.seq, ts_sender=seconds(asked, "ts"),
            err_estimate_sender=asked.err_estimate, ttl_sender=255, tlv_objects=asked.tlv_objects, ts=now())
        udp.sendto(bytes(reply), sender)
        sequence += 1


def send(udp, port, count):
    udp.settimeout(5)
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
    for sequence in range(count):
        left = now()
        request = stamp.STAMPSessionSenderTestUnauthenticated(
            seq=sequence, ts=left, err_estimate=stamp.ErrorEstimate(S=0, Z=0, scale=1, multiplier=1), ssid=SSID,
            tlv_objects=[stamp.STAMPTestTLV(flags=0x80, type=4, len=4, value=bytes(4))])
        data = bytes(request)
        udp.sendto(data, ("127.0.0.1", port))
        answer = udp.recv(9000)
        came = now()
        reply = stamp.STAMPSessionReflectorTestUnauthenticated(answer)
        sent = stamp.STAMPSessionSenderTestUnauthenticated(data)
        rtt = (came - left) - (seconds(reply, "ts") - seconds(reply, "ts_rx"))
        print(json.dumps({
            "bytes": len(answer) - len(data), "sequence": reply.seq, "sender_sequence": reply.seq_sender, "ssid": reply.ssid,
            "timestamp_repeated": seconds(reply, "ts_sender") == seconds(sent, "ts"),
            "error_repeated": bytes(reply.err_estimate_sender) == bytes(sent.err_estimate),
            "in_order": left <= seconds(reply, "ts_rx") <= seconds(reply, "ts") <= came,
            "ttl": reply.ttl_sender, "tlvs": [[int(t.flags), t.type, bytes(t.value).hex()] for t in reply.tlv_objects],
            "rtt_ms": float(rtt * 1000),
        }), flush=True)


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    if sys.argv[1] == "reflect":
        reflect(udp)
    send(udp, int(sys.argv[2]), int(sys.argv[3]))
