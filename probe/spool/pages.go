package spool

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// The form of a bbolt file, as far as it is needed to find out whether its parts
// fit together and what is whole in one where they do not: pages with a header
// of 16 bytes (number, kind, number of elements, pages that follow), and
// elements of 16 bytes, each with a place counted from its own beginning.
// bbolt itself holds checksums of its two first pages only.
const (
	pageHeader  = 16
	pageElement = 16
	kindBranch  = 0x01
	kindLeaf    = 0x02
	kindFree    = 0x10
	isBucket    = 0x01
	noFreeList  = 1<<64 - 1
)

// file reads the pages of a bbolt file.
type file struct {
	io.ReaderAt
	page int64 // bytes of one
	size int64
}

// leaf and branch elements.
type element struct {
	bucket     bool
	child      uint64
	key, value []byte
}

// read gives the kind of a page and its elements, those of them that lie within
// it. damaged tells whether there are others.
func (f *file) read(number uint64) (kind uint16, overflow uint32, elements []element, damaged bool) {
	head := make([]byte, pageHeader)
	at := int64(number) * f.page
	if number > uint64(f.size/f.page) {
		return 0, 0, nil, true
	}
	if _, err := f.ReadAt(head, at); err != nil {
		return 0, 0, nil, true
	}
	kind, overflow = binary.LittleEndian.Uint16(head[8:]), binary.LittleEndian.Uint32(head[12:])
	length := (int64(overflow) + 1) * f.page
	if binary.LittleEndian.Uint64(head) != number || at+length > f.size {
		return kind, 0, nil, true
	}
	data := make([]byte, length)
	if _, err := f.ReadAt(data, at); err != nil {
		return kind, overflow, nil, true
	}
	elements, damaged = parse(kind, data)
	return kind, overflow, elements, damaged
}

func parse(kind uint16, data []byte) (elements []element, damaged bool) {
	if kind == kindFree {
		return parseFree(data)
	}
	part := func(from, length int) []byte {
		if from < 0 || length < 0 || from > len(data) || length > len(data)-from {
			damaged = true
			return nil
		}
		return data[from : from+length]
	}
	for i := range int(binary.LittleEndian.Uint16(data[10:])) {
		begin := pageHeader + i*pageElement
		raw := part(begin, pageElement)
		if raw == nil {
			break
		}
		number := func(at int) int { return int(binary.LittleEndian.Uint32(raw[at:])) }
		var e element
		switch kind {
		case kindBranch:
			e = element{child: binary.LittleEndian.Uint64(raw[8:]), key: part(begin+number(0), number(4))}
		case kindLeaf:
			e = element{bucket: number(0)&isBucket != 0, key: part(begin+number(4), number(8))}
			if e.value = part(begin+number(4)+number(8), number(12)); e.value == nil {
				continue
			}
		default:
			return nil, true
		}
		elements = append(elements, e)
	}
	return elements, damaged
}

func parseFree(data []byte) (elements []element, damaged bool) {
	count, begin := uint64(binary.LittleEndian.Uint16(data[10:])), pageHeader
	if count == 0xFFFF {
		count, begin = binary.LittleEndian.Uint64(data[pageHeader:]), pageHeader+8
	}
	if count > uint64(len(data)-begin)/8 {
		return nil, true
	}
	for i := range int(count) {
		elements = append(elements, element{child: binary.LittleEndian.Uint64(data[begin+8*i:])})
	}
	return elements, false
}

// checkPages finds out whether each page in use is used once and is not in the
// list of free ones, out of which bbolt would give it away and overwrite it.
func checkPages(path string, tx *bolt.Tx) error {
	// No bytes are copied here that another process may change: the lock is ours.
	f, done, err := openPages(path, int64(tx.DB().Info().PageSize))
	if err != nil {
		return err
	}
	defer done()
	root, free, err := f.meta(uint64(tx.ID()))
	if err != nil {
		return err
	}
	c := &pageCheck{file: f, used: make([]bool, max(tx.Size()/f.page, 2))}
	c.used[0], c.used[1] = true, true
	if err := c.tree(root, 0); err != nil {
		return err
	}
	if free == noFreeList {
		return nil
	}
	kind, overflow, elements, damaged := f.read(free)
	if damaged || kind != kindFree {
		return fmt.Errorf("%w: the list of free pages does not read", errDamaged)
	}
	if err := c.use(free, overflow); err != nil {
		return err
	}
	for _, e := range elements {
		if err := c.use(e.child, 0); err != nil {
			return err
		}
	}
	return nil
}

func openPages(path string, page int64) (*file, func(), error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := opened.Stat()
	if err != nil {
		opened.Close()
		return nil, nil, err
	}
	return &file{opened, page, info.Size()}, func() { opened.Close() }, nil
}

// meta gives the pages of the root bucket and of the list of free pages, out of
// the first page that is of the given transaction or the one before it. bbolt
// has checked these pages.
func (f *file) meta(transaction uint64) (root, free uint64, err error) {
	var best uint64
	for number := range int64(2) {
		data := make([]byte, pageHeader+64)
		if _, err := f.ReadAt(data, number*f.page); err != nil {
			return 0, 0, err
		}
		m := data[pageHeader:]
		if id := binary.LittleEndian.Uint64(m[48:]); id >= best && id <= transaction {
			best, root, free = id, binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[32:])
		}
	}
	return root, free, nil
}

type pageCheck struct {
	*file
	used []bool // pages beyond were never used
}

func (c *pageCheck) use(number uint64, overflow uint32) error {
	for n := number; n <= number+uint64(overflow); n++ {
		if n >= uint64(len(c.used)) || c.used[n] {
			return fmt.Errorf("%w: page %d is used twice, or is not there", errDamaged, n)
		}
		c.used[n] = true
	}
	return nil
}

// mostDepth is more than a tree of any size that fits on a disk has.
const mostDepth = 64

func (c *pageCheck) tree(number uint64, depth int) error {
	kind, overflow, elements, damaged := c.read(number)
	if damaged || kind != kindBranch && kind != kindLeaf || depth > mostDepth {
		return fmt.Errorf("%w: page %d does not read", errDamaged, number)
	}
	if err := c.use(number, overflow); err != nil {
		return err
	}
	for _, e := range elements {
		child := e.child
		if kind == kindLeaf {
			// A bucket's value begins with the number of its page; one without a
			// page stands in the value itself.
			if !e.bucket {
				continue
			}
			if len(e.value) < 16 {
				return fmt.Errorf("%w: page %d has a bucket that does not read", errDamaged, number)
			}
			if child = binary.LittleEndian.Uint64(e.value); child == 0 {
				if !wholeInside(e.value) {
					return fmt.Errorf("%w: page %d has a bucket that does not read", errDamaged, number)
				}
				continue
			}
		}
		if err := c.tree(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// whole gives each value of a damaged file that is as it was written, also those
// that were deleted and not yet overwritten, until do fails.
func whole(path string, do func(value []byte) error) error {
	f, done, err := openPages(path, int64(os.Getpagesize()))
	if err != nil {
		return err
	}
	defer done()
	for number := uint64(2); number < uint64(f.size/f.page); number++ {
		kind, _, elements, _ := f.read(number)
		if kind != kindLeaf {
			continue
		}
		for _, e := range elements {
			for _, value := range inside(e) {
				if plain, ok := unsealed(value); ok {
					if err := do(plain); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// wholeInside tells whether the small bucket in a value reads.
func wholeInside(value []byte) bool {
	if len(value) < 16+pageHeader || binary.LittleEndian.Uint16(value[16+8:]) != kindLeaf {
		return false
	}
	_, damaged := parse(kindLeaf, value[16:])
	return !damaged
}

// inside gives the values of an element: its own, or those of a small bucket
// that stands in it.
func inside(e element) [][]byte {
	if !e.bucket {
		return [][]byte{e.value}
	}
	if len(e.value) < 16+pageHeader || binary.LittleEndian.Uint64(e.value) != 0 {
		return nil
	}
	var values [][]byte
	elements, _ := parse(binary.LittleEndian.Uint16(e.value[16+8:]), e.value[16:])
	for _, e := range elements {
		values = append(values, e.value)
	}
	return values
}
