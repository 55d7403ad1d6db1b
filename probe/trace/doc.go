// Package trace finds the routers on the way of a test's packets. Its own
// packets bear what routers choose the way by (addresses, ports or ICMP
// identifier, DSCP, flow label, and over all hops one and the same checksum), so
// that where several ways are equally good they take the one that the test's
// packets take (Augustin et al., "Avoiding traceroute anomalies with Paris
// traceroute", 2006).
//
// A Flow comes from package measure, or from a person at the command line. The
// answers come from raw sockets, which take nothing away from the socket of the
// test. What is found are wire.Hops.
//
// A UDP trace sends valid STAMP requests with a session identifier and numbers
// of their own, because a reflector that hears them says by its reply that they
// arrived. The reply reaches the test's socket too, which has to know by number
// and time stamp that it is none to its own requests; ICMP errors do not reach
// a socket that is not connected and does not ask for them. A reflector that
// counts by ports alone, and not by session identifier, counts a few packets
// more than the test has sent.
package trace
