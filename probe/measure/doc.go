// Package measure sends the echo requests of an assignment at their moments,
// follows each packet to its fate, and hands the finished windows on.
//
// Data comes in as a wire.Assignment (from package uplink or the spool) and as
// replies from the network; it goes out as wire.Windows through the function
// in Config. Measurer runs one flow per target and test; a flow runs one
// pinger after the other; package window keeps the books.
package measure
