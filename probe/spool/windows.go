package spool

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// loudEvery is how often a full spool says so.
const loudEvery = 10 * time.Second

// CodeDamaged is the code of a window whose bytes are not those that were put.
const CodeDamaged wire.Code = "damaged_in_spool"

const damagedMessage = "its bytes on disk are not those that were written"

// Put makes windows durable, in one transaction. Where the spool is full the
// oldest make room: first those set aside, then those not delivered.
func (s *Spool) Put(windows []wire.Window) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.counts.Dropped
	err := s.update(func(tx *bolt.Tx, c *Counts) error {
		bucket := tx.Bucket(bucketWindows())
		bucket.FillPercent = 0.9 // keys only rise
		for i := range windows {
			value := sealed(windows[i].Canonical())
			if err := add(bucket, value); err != nil {
				return err
			}
			s.last = bucket.Sequence()
			c.Windows++
			c.Bytes += size(value)
		}
		return s.makeRoom(tx, c)
	})
	if err != nil {
		return fmt.Errorf("spool %d windows: %w", len(windows), err)
	}
	s.complain(s.counts.Dropped - before)
	select {
	case s.added <- struct{}{}:
	default:
	}
	return nil
}

func add(bucket *bolt.Bucket, value []byte) error {
	sequence, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	return bucket.Put(binary.BigEndian.AppendUint64(nil, sequence), value)
}

// dropAtOnce is how many windows one transaction drops at most, which bounds its
// memory. It is more than are ever put at once.
const dropAtOnce = 25_000

func (s *Spool) makeRoom(tx *bolt.Tx, c *Counts) error {
	left := dropAtOnce
	for _, from := range []struct {
		name  []byte
		count *int64
	}{{bucketRefused(), &c.Refused}, {bucketWindows(), &c.Windows}} {
		// First all, then deleted: a cursor walks again over every page that
		// was emptied in this transaction.
		bucket := tx.Bucket(from.name)
		cursor := bucket.Cursor()
		var keys [][]byte
		for k, v := cursor.First(); k != nil && c.Bytes > s.limit && left > 0; k, v = cursor.Next() {
			keys = append(keys, bytes.Clone(k))
			s.leave(v)
			c.Bytes -= size(v)
			*from.count--
			c.Dropped++
			left--
		}
		for _, k := range keys {
			if err := bucket.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave notes the key of a window that is dropped, where the log wants it: those
// who account for windows find it there. Damaged ones have none.
func (s *Spool) leave(stored []byte) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	value, _ := unsealed(stored)
	w, err := wire.DecodeWindow(value)
	if err != nil {
		r, _ := decodeRefused(stored)
		if w, err = wire.DecodeWindow(r.Window); err != nil {
			return
		}
	}
	s.leaving = append(s.leaving, w.Key.String())
}

// shrink brings what is in the file within a limit that has become smaller.
func (s *Spool) shrink() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.counts.Bytes > s.limit {
		before := s.counts.Dropped
		if err := s.update(s.makeRoom); err != nil {
			return fmt.Errorf("open spool: bring it within --spool-max-mib: %w", err)
		}
		s.complain(s.counts.Dropped - before)
	}
	return nil
}

// complain says that windows were dropped, but not with every window.
func (s *Spool) complain(dropped int64) {
	s.unsaid += dropped
	if s.unsaid == 0 || time.Since(s.lastLoud) < loudEvery {
		return
	}
	s.log.Error("the spool is full: the oldest windows were dropped; give it more with --spool-max-mib, or see why the collector does not take them",
		"dropped", s.unsaid, "ever", s.counts.Dropped)
	s.unsaid, s.lastLoud = 0, time.Now()
}

// Oldest gives the windows that have waited longest, within a number and a
// number of bytes, but at least one if there is any. What does not read as it
// was written is set aside.
func (s *Spool) Oldest(windows, size int) ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []Entry
	var damaged []uint64
	err := guarded(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			cursor := tx.Bucket(bucketWindows()).Cursor()
			for k, v := cursor.First(); k != nil && len(entries) < windows; k, v = cursor.Next() {
				sequence := binary.BigEndian.Uint64(k)
				value, ok := unsealed(v)
				w, err := wire.DecodeWindow(value)
				if !ok || err != nil {
					damaged = append(damaged, sequence)
					continue
				}
				// A comma between two windows.
				if size -= len(value) + 1; size < 0 && len(entries) > 0 {
					break
				}
				entries = append(entries, Entry{Sequence: sequence, Window: *w, Bytes: len(value)})
			}
			return nil
		})
	})
	if errors.Is(err, errDamaged) {
		return nil, s.renew(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	if len(damaged) > 0 {
		if err := s.settle(nil, reasons(damaged)); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func reasons(damaged []uint64) map[uint64]Refused {
	aside := map[uint64]Refused{}
	for _, sequence := range damaged {
		aside[sequence] = Refused{Code: CodeDamaged, Message: damagedMessage}
	}
	return aside
}

// Settle removes what was delivered and sets aside what was refused, in one
// transaction.
func (s *Spool) Settle(delivered []uint64, refused map[uint64]Refused) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle(delivered, refused)
}

func (s *Spool) settle(delivered []uint64, refused map[uint64]Refused) error {
	err := s.update(func(tx *bolt.Tx, c *Counts) error {
		bucket := tx.Bucket(bucketWindows())
		for _, sequence := range delivered {
			value, err := remove(bucket, sequence)
			if err != nil {
				return err
			}
			if value != nil {
				c.Windows--
				c.Bytes -= size(value)
			}
			// A window that was dropped while it was under way has arrived
			// all the same.
			c.DeliveredEver++
		}
		aside := tx.Bucket(bucketRefused())
		for _, sequence := range slices.Sorted(maps.Keys(refused)) {
			why := refused[sequence]
			value, err := remove(bucket, sequence)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			kept, err := why.encode(value)
			if err != nil {
				return err
			}
			if err := add(aside, kept); err != nil {
				return err
			}
			c.Windows--
			c.Refused++
			c.RefusedEver++
			c.Bytes += size(kept) - size(value)
		}
		return s.makeRoom(tx, c)
	})
	if err != nil {
		return fmt.Errorf("settle %d windows in the spool: %w", len(delivered)+len(refused), err)
	}
	for _, why := range refused {
		s.log.Error("a window is set aside in the spool: no collector will take it", "code", why.Code, "reason", why.Message)
	}
	return nil
}

// remove deletes an entry and gives its value; nil if it was dropped meanwhile.
func remove(bucket *bolt.Bucket, sequence uint64) ([]byte, error) {
	key := binary.BigEndian.AppendUint64(nil, sequence)
	value := bytes.Clone(bucket.Get(key))
	if value == nil {
		return nil, nil
	}
	return value, bucket.Delete(key)
}

func (r Refused) encode(stored []byte) ([]byte, error) {
	if r.At.IsZero() {
		r.At = time.Now().UTC().Truncate(time.Millisecond)
	}
	if value, ok := unsealed(stored); ok && json.Valid(value) {
		r.Window = value
	} else {
		r.Raw = stored
	}
	data, err := json.Marshal(r)
	return sealed(data), err
}

func decodeRefused(stored []byte) (r Refused, err error) {
	data, ok := unsealed(stored)
	if !ok {
		data = stored // of version 1, without a checksum
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Refused{Code: CodeDamaged, Message: damagedMessage, Raw: bytes.Clone(stored)}, err
	}
	return r, nil
}

// Aside lists what was set aside, oldest first.
func (s *Spool) Aside() ([]Refused, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Refused
	err := guarded(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketRefused()).ForEach(func(k, v []byte) error {
				r, err := decodeRefused(v)
				if err != nil {
					s.log.Error("what was set aside does not read", "error", err)
				}
				r.Sequence = binary.BigEndian.Uint64(k)
				list = append(list, r)
				return nil
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read what was set aside: %w", err)
	}
	return list, nil
}

// Retry puts windows that were set aside back among those that wait, in one
// transaction, and gives their number. What is damaged stays where it is.
func (s *Spool) Retry(which func(Refused) bool) (int, error) {
	return s.clear(which, true)
}

// Drop forgets windows that were set aside, which are counted as dropped, and
// gives their number.
func (s *Spool) Drop(which func(Refused) bool) (int, error) {
	return s.clear(which, false)
}

func (s *Spool) clear(which func(Refused) bool, again bool) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.update(func(tx *bolt.Tx, c *Counts) error {
		n = 0
		aside, windows := tx.Bucket(bucketRefused()), tx.Bucket(bucketWindows())
		var keys [][]byte
		err := aside.ForEach(func(k, v []byte) error {
			r, _ := decodeRefused(v)
			if r.Sequence = binary.BigEndian.Uint64(k); !which(r) {
				return nil
			}
			c.Bytes -= size(v)
			if again {
				w, err := wire.DecodeWindow(r.Window)
				if err != nil {
					c.Bytes += size(v)
					return nil
				}
				value := sealed(w.Canonical())
				if err := add(windows, value); err != nil {
					return err
				}
				c.Bytes += size(value)
				c.Windows++
			} else {
				c.Dropped++
				s.leave(v)
			}
			c.Refused--
			n++
			keys = append(keys, bytes.Clone(k))
			return nil
		})
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := aside.Delete(k); err != nil {
				return err
			}
		}
		s.last = windows.Sequence()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("take out what was set aside: %w", err)
	}
	return n, nil
}

// recover puts what is whole in a damaged file into the one that was begun in
// its place. Windows of it that were delivered before may be among them: they
// are delivered again, which changes nothing.
func (s *Spool) recover(damaged string, before Counts) {
	seen := map[wire.Digest]bool{}
	var again int64
	var values [][]byte
	flush := func() error {
		some := values
		values = nil
		return s.update(func(tx *bolt.Tx, c *Counts) error {
			for _, value := range some {
				if err := add(tx.Bucket(bucketWindows()), value); err != nil {
					return err
				}
				c.Windows++
				c.Bytes += size(value)
			}
			s.last = tx.Bucket(bucketWindows()).Sequence()
			return s.makeRoom(tx, c)
		})
	}
	err := whole(damaged, func(value []byte) error {
		w, err := wire.DecodeWindow(value)
		if err != nil {
			var r Refused
			if json.Unmarshal(value, &r) != nil || len(r.Window) == 0 {
				return nil // counts, a session, an assignment
			}
			// It is refused again, if it still is.
			if w, err = wire.DecodeWindow(r.Window); err != nil {
				return nil
			}
		}
		digest := w.Digest()
		if seen[digest] {
			return nil
		}
		seen[digest] = true
		again++
		if values = append(values, sealed(w.Canonical())); len(values) < recoverAtOnce {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	attrs := []any{"file", damaged, "windows", again}
	if before.Windows > 0 || before.Refused > 0 {
		attrs = append(attrs, "were_in_it", before.Windows+before.Refused)
	}
	if err != nil {
		s.log.Error("not all that is whole in the damaged spool file was taken over", append(attrs, "error", err)...)
		return
	}
	s.log.Warn("what is whole in the damaged spool file was taken over", attrs...)
}

// recoverAtOnce bounds the memory of one transaction.
const recoverAtOnce = 1000

// Each gives every window that waits and reads as it was written, oldest first.
func (s *Spool) Each(do func(*wire.Window)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := guarded(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketWindows()).ForEach(func(_, v []byte) error {
				if value, ok := unsealed(v); ok {
					if w, err := wire.DecodeWindow(value); err == nil {
						do(w)
					}
				}
				return nil
			})
		})
	})
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	return nil
}
