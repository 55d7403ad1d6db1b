// Package emulator is the wide-area network between the namespaces: it reads
// the packets that the sites send out of their TUN devices, asks a model for
// the fate of each, holds it for as long as the model says, and writes it into
// the device of the site that it is addressed to.
//
// One thread does all of it. It sleeps in epoll until a packet comes or one is
// due (timerfd, in nanoseconds), and is given real-time priority where that is
// allowed, because everything by which it is late adds to a measured RTT. How
// late it was is measured, and told beside the counts.
package emulator
