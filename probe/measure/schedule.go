package measure

import "container/heap"

// schedule holds sessions by the moments of their next packets, the earliest
// first.
type schedule []*session

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due < s[j].due }

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push and Pop are container/heap's.
func (s *schedule) Push(x any) {
	one := x.(*session)
	one.place = len(*s)
	*s = append(*s, one)
}

// Pop takes the last one out.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	one := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	one.place = -1
	return one
}

// put enters a session, or moves it to where its moment now belongs.
func (s *schedule) put(one *session) {
	if one.place >= 0 {
		heap.Fix(s, one.place)
	} else {
		heap.Push(s, one)
	}
}

// take removes a session.
func (s *schedule) take(one *session) {
	if one.place >= 0 {
		heap.Remove(s, one.place)
	}
}
