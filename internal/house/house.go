// Package house holds the rules of this repository as tests: who may import
// whom, that every package says what it is for, that every dependency is
// accounted for. It has no code of its own.
package house
