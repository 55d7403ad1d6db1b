package filing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/manifest"
)

// sameBlock tells whether these are the bytes of a block that was filed.
func sameBlock(data []byte, filed manifest.File, block int) bool {
	sum := sha256.Sum256(data)
	return bytes.Equal(sum[:], filed.BlockSHA256[block*sha256.Size:(block+1)*sha256.Size])
}

// span is where a file differs from what was filed, [from, to), by whole blocks;
// 0, 0 where that is not known. Behind bytes that were put in or taken out the
// blocks are looked for where they are now.
func span(found []byte, filed manifest.File) (from, to int) {
	n := len(filed.BlockSHA256) / sha256.Size
	if n == 0 {
		return 0, 0
	}
	const size = manifest.BlockBytes
	first := 0
	for first < n {
		if (first+1)*size > len(found) || !sameBlock(found[first*size:(first+1)*size], filed, first) {
			break
		}
		first++
	}
	moved := len(found) - int(filed.SizeBytes)
	last := n // the first block of those at the end that are as they were
	for last > first {
		begin, end := (last-1)*size, min(last*size, int(filed.SizeBytes))
		if begin+moved < first*size || end+moved > len(found) || !sameBlock(found[begin+moved:end+moved], filed, last-1) {
			break
		}
		last--
	}
	from, to = min(first*size, len(found)), min(last*size, int(filed.SizeBytes))+moved
	return from, max(from, to)
}

// oneByte finds what was filed if a single byte was altered: in the one block
// that differs, it tries every printable character in every place, digits first,
// which takes a second at the worst. Nil if it is not that.
func oneByte(found []byte, filed manifest.File, from, to int) (whole []byte, at int) {
	if int64(len(found)) != filed.SizeBytes || from >= to || to-from > manifest.BlockBytes {
		return nil, 0
	}
	index := from / manifest.BlockBytes
	block := slices.Clone(found[from:min(from+manifest.BlockBytes, len(found))])
	want := [sha256.Size]byte(filed.BlockSHA256[index*sha256.Size:])
	for _, characters := range []string{"0123456789", printable()} {
		for i, is := range block {
			for _, was := range []byte(characters) {
				block[i] = was
				if was == is || sha256.Sum256(block) != want {
					continue
				}
				whole := slices.Clone(found)
				whole[from+i] = was
				if sum := sha256.Sum256(whole); hex.EncodeToString(sum[:]) == filed.SHA256 {
					return whole, from + i
				}
			}
			block[i] = is
		}
	}
	return nil, 0
}

// printable are the characters of ASCII that JSON has besides digits, the end of
// a line among them.
func printable() string {
	all := []byte("\n")
	for b := byte(' '); b <= '~'; b++ {
		if b < '0' || b > '9' {
			all = append(all, b)
		}
	}
	return string(all)
}

// valueAt is what stands in the line of a JSON report around a byte, without the
// name of the value.
func valueAt(data []byte, at int) string {
	from := bytes.LastIndexByte(data[:at], '\n') + 1
	to := len(data)
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		to = at + i
	}
	line := bytes.TrimSuffix(bytes.TrimSpace(data[from:to]), []byte(","))
	if name, value, named := bytes.Cut(line, []byte(": ")); named && from+bytes.Index(data[from:to], line)+len(name) < at {
		line = value
	}
	return string(line)
}
