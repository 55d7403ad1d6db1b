// Package durable makes outlast a crash what programs write beside the stores.
package durable
