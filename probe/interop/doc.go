// Package interop tests our STAMP sender and reflector, as they are shipped,
// against implementations that are not ours: stamp-suite (RFC 8762 and 8972),
// twamp-rs (RFC 5357), scapy, and the dissector of tshark. They are separate
// programs over real sockets on loopback; scripts/peers and scripts/prepare get
// them. It has no code of its own.
package interop
