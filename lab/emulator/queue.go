package emulator

import "time"

// held is a packet on its way.
type held struct {
	due    time.Duration // on the monotonic clock
	order  uint64        // of entry: packets due together leave in it
	to     int           // number of the site
	copies int
	packet []byte
}

// queue is a heap for package container/heap, the packet due first on top.
type queue []*held

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].order < q[j].order
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for package container/heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*held)) }

// Pop is for package container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return h
}
