package reflect

import "time"

// table is a map that keeps the entries used last: at most so many, and none
// that was idle for longer than a time. It is for one goroutine.
type table[K comparable, V any] struct {
	most    int
	idle    time.Duration
	entries map[K]*entry[K, V]
	newest  *entry[K, V] // of a list in the order of use
	oldest  *entry[K, V]
}

type entry[K comparable, V any] struct {
	key          K
	value        V
	used         time.Time
	newer, older *entry[K, V]
}

func newTable[K comparable, V any](most int, idle time.Duration) *table[K, V] {
	return &table[K, V]{most: most, idle: idle, entries: map[K]*entry[K, V]{}}
}

// use gives the value of a key, the zero value if it has none yet. made tells
// that it had none; forced, that another's, which was not idle, had to go for
// it. The pointer is good for as long as the entry is in the table.
func (t *table[K, V]) use(key K, now time.Time) (value *V, made, forced bool) {
	e := t.entries[key]
	if e != nil && now.Sub(e.used) <= t.idle {
		if e != t.newest {
			t.unlink(e)
			t.link(e)
		}
		e.used = now
		return &e.value, false, false
	}
	t.expire(now)
	if len(t.entries) >= t.most {
		t.remove(t.oldest)
		forced = true
	}
	e = &entry[K, V]{key: key, used: now}
	t.entries[key] = e
	t.link(e)
	return &e.value, true, forced
}

// expire removes what was idle for too long.
func (t *table[K, V]) expire(now time.Time) {
	for t.oldest != nil && now.Sub(t.oldest.used) > t.idle {
		t.remove(t.oldest)
	}
}

func (t *table[K, V]) remove(e *entry[K, V]) {
	t.unlink(e)
	delete(t.entries, e.key)
}

func (t *table[K, V]) link(e *entry[K, V]) {
	e.older, e.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = e
	} else {
		t.oldest = e
	}
	t.newest = e
}

func (t *table[K, V]) unlink(e *entry[K, V]) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		t.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		t.oldest = e.newer
	}
}
