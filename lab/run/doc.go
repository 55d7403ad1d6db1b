// Package run plays a whole hub network on one machine for a while: it makes
// a namespace a site, the emulated network between them, and starts the real
// probes, the real collector and, at the end, the real analyzer as programs.
// Everything that they leave behind lands in one output folder.
package run
