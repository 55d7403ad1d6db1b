//go:build !unix

package durable

// Folder does nothing here: a folder cannot be synced, and need not be.
func Folder(string) error { return nil }
