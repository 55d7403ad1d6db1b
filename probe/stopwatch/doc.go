// Package stopwatch takes the moments at which packets leave and come from
// the kernel, so that a busy host does not lengthen an RTT. Packets and their
// moments go to package measure, which makes RTTs of them, and to package
// reflect, which answers.
//
// Conn is a UDP socket of our own, for STAMP (SO_TIMESTAMPING). Tap looks on
// while others send, and so times the packets of an ICMP library that takes
// its own moments in user space (AF_PACKET). Either says which source its
// moments come from, and it is the same for all of them until it is closed:
// an RTT made of two sources would be off by the difference between them.
//
// Kernel moments are those of the wall clock. Whoever subtracts two of them
// has to know whether the clock stepped in between.
package stopwatch
