// Package reflect answers the test packets of STAMP senders: a stateful
// session-reflector (RFC 8762, and the TLVs of RFC 8972 that package stamp
// answers), with and without authentication, for TWAMP-Light senders too.
//
// Requests come from the network by package stopwatch, which gives the moment
// at which the kernel received each; replies go back the same way. Who is
// answered comes from whoever has the Reflector: the command line, or an
// assignment that changes. Nothing is kept but counts.
//
// It is made so that it can stand in the open. It answers none but the sources
// allowed, in nothing longer than was asked (but for the 44 bytes that a reply
// has at least), at a bounded rate, with bounded memory, and never in a way
// that makes two reflectors answer each other for ever. What it does not
// answer it counts, by the reason.
package reflect
