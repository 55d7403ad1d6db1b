package filing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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

// maxTries bounds the search of restore: each hashes the whole file.
const maxTries = 400

// restore puts what was filed in the place of what was found, wherever that
// stands in the JSON, until the bytes have the digest that was filed. It gives
// these and the place; nil if there is none.
func (e *explainer) restore(found []byte, candidates []Difference) (whole []byte, was Difference, at int) {
	filed, size := e.filed(e.json).SHA256, int(e.filed(e.json).SizeBytes)
	tries := 0
	seen := map[[2]string]bool{}
	for _, d := range candidates {
		if d.Found == "" || d.Filed == "" || seen[[2]string{d.Filed, d.Found}] || len(found)-len(d.Found)+len(d.Filed) != size {
			continue
		}
		seen[[2]string{d.Filed, d.Found}] = true
		for from := 0; tries < maxTries; {
			i := bytes.Index(found[from:], []byte(d.Found))
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			if !standsAlone(found, i, len(d.Found)) {
				continue
			}
			tries++
			whole := slices.Concat(found[:i], []byte(d.Filed), found[i+len(d.Found):])
			if manifest.Hash(whole) == filed {
				return whole, Difference{pathAt(found, i), d.Filed, d.Found}, i
			}
		}
	}
	return nil, Difference{}, 0
}

// standsAlone tells whether a text is a whole word or number where it stands.
func standsAlone(data []byte, at, length int) bool {
	part := func(i int) bool {
		if i < 0 || i >= len(data) {
			return false
		}
		b := data[i]
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '.' || b == '-' || b >= utf8.RuneSelf
	}
	return !part(at-1) && !part(at+length)
}

// maxDepth is how deep JSON may lie, as in encoding/json, whose tokens know no
// such bound.
const maxDepth = 10_000

// pathAt names the value of a JSON text that holds a byte: planes[0].rate.total.
func pathAt(data []byte, at int) string {
	type level struct {
		array bool
		index int
		key   string
		value bool // a key was read, its value comes next
	}
	var levels []level
	path := func() string {
		var b strings.Builder
		for i, l := range levels {
			switch {
			case l.array:
				b.WriteString("[" + strconv.Itoa(l.index) + "]")
			case i > 0:
				b.WriteString("." + l.key)
			default:
				b.WriteString(l.key)
			}
		}
		return b.String()
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	next := func() { // a value of the innermost level is over
		if n := len(levels); n > 0 {
			levels[n-1].index++
			levels[n-1].value = false
		}
	}
	for {
		token, err := dec.Token()
		if err != nil && errors.Is(err, io.EOF) {
			return path()
		}
		if err != nil || len(levels) > maxDepth {
			return fmt.Sprintf("byte %d", at+1)
		}
		over := dec.InputOffset() > int64(at)
		n := len(levels)
		switch {
		case token == json.Delim('{') || token == json.Delim('['):
			levels = append(levels, level{array: token == json.Delim('[')})
		case token == json.Delim('}') || token == json.Delim(']'):
			if over {
				return path()
			}
			levels = levels[:n-1]
			next()
		case n > 0 && !levels[n-1].array && !levels[n-1].value:
			levels[n-1].key, levels[n-1].value = fmt.Sprint(token), true
			if over {
				return "the name " + path()
			}
		default:
			if over {
				return path()
			}
			next()
		}
	}
}
