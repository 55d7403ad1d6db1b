// Package endtoend tests the whole way of the data with the programs as they
// are shipped: the lab makes a network, real probes send real packets through
// it, a real collector stores, the real analyzer judges. It has no code of its
// own.
package endtoend
