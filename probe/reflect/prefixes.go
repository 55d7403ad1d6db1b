package reflect

import (
	"net/netip"
	"slices"
)

// prefixes finds the value of the longest prefix that holds an address. It is
// not changed once it is made, so any number of goroutines may look.
type prefixes[V any] struct {
	lengths4, lengths6 []int // that occur, longest first
	values             map[netip.Prefix]V
}

func newPrefixes[V any](values map[netip.Prefix]V) *prefixes[V] {
	p := &prefixes[V]{values: make(map[netip.Prefix]V, len(values))}
	for prefix, value := range values {
		prefix = prefix.Masked()
		lengths := &p.lengths6
		if prefix.Addr().Is4() {
			lengths = &p.lengths4
		}
		if !slices.Contains(*lengths, prefix.Bits()) {
			*lengths = append(*lengths, prefix.Bits())
		}
		p.values[prefix] = value
	}
	for _, lengths := range [][]int{p.lengths4, p.lengths6} {
		slices.Sort(lengths)
		slices.Reverse(lengths)
	}
	return p
}

func (p *prefixes[V]) find(address netip.Addr) (value V, ok bool) {
	lengths := p.lengths6
	if address.Is4() {
		lengths = p.lengths4
	}
	for _, bits := range lengths {
		prefix, err := address.Prefix(bits)
		if err != nil {
			continue
		}
		if value, ok = p.values[prefix]; ok {
			return value, true
		}
	}
	return value, false
}
