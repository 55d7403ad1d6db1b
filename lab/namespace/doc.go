// Package namespace makes the places where the lab's sites live: a network
// namespace with one TUN device that bears the site's address and takes every
// packet that leaves. What the kernel sends into the device, the emulator reads
// from the descriptor, and the other way round; programs are started inside.
//
// A namespace has no name and no file: it lives as long as its descriptor or a
// process in it, so nothing is left behind, however the lab ends.
package namespace
