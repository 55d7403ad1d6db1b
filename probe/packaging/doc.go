// Package packaging describes the Debian and RPM packages of the probe: what
// they put where (nfpm.yaml), the service, and what happens when they are
// installed and removed. scripts/release builds them from here into dist/. It
// has no code of its own; its test installs a package, runs the service as its
// unit says, and removes it.
package packaging
