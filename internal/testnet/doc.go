// Package testnet gives tests networks of their own: network namespaces, which
// end with the test, and wires between them. Whatever a test sends there, and
// whatever it changes of devices, routes and sysctls, this machine's own network
// never sees. Only tests use it; the lab's namespaces are in lab/namespace.
//
// A thread is in a namespace, and a socket stays in that of the thread that
// opened it. So a goroutine that a test starts, that of a subtest too, is in the
// machine's own network until it enters another.
package testnet
