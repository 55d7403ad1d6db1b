package stopwatch

import (
	"testing"

	"pgregory.net/rapid"
)

const ms = 1_000_000

func TestIDsFindThePacketOfAStamp(t *testing.T) {
	s := &ids{}
	first, second := s.sent(10*ms), s.sent(20*ms)
	s.restart(25 * ms) // the kernel's numbers begin again, while both wait
	s.restart(25 * ms) // and again, with nothing sent in between
	third, fourth := s.sent(30*ms), s.sent(40*ms)
	for _, step := range []struct {
		name   string
		number uint32
		at     int64
		want   uint32
		ok     bool
	}{
		{"of neither numbering", 2, 50 * ms, 0, false},
		{"earlier than any packet", 0, 5 * ms, 0, false},
		{"too early for the younger one", 0, 29 * ms, first, true},
		{"only the younger one waits still", 0, 35 * ms, third, true},
		{"told twice", 0, 35 * ms, 0, false},
		{"of either", 1, 50 * ms, 0, false},
		{"so late that the older one waits no more", 1, 20*ms + inQueue + 1, fourth, true},
		{"too late for both", 1, 40*ms + inQueue + 1, 0, false},
	} {
		if got, ok := s.find(step.number, step.at); got != step.want || ok != step.ok {
			t.Errorf("%s: %d, %v; want %d, %v", step.name, got, ok, step.want, step.ok)
		}
	}
	if second == first {
		t.Error("two packets have one id")
	}
}

// TestIDsOfAForgottenNumbering leaves one packet in a queue while the numbering
// begins again more often than is remembered.
func TestIDsOfAForgottenNumbering(t *testing.T) {
	s, now := &ids{}, int64(0)
	number := uint32(0)
	send := func() uint32 {
		now += ms / 10
		number++
		return s.sent(now)
	}
	stamped := func() {
		t.Helper()
		id := send()
		if got, ok := s.find(number-1, now+1); !ok || got != id {
			t.Fatalf("packet %d: %d, %v", id, got, ok)
		}
	}
	stamped()
	send() // and it stays in the queue, as number 1
	for range numberings - 1 {
		s.restart(now)
		number = 0
		stamped()
	}
	s.restart(now)
	number = 0
	send()
	send() // number 1 as well
	if got, ok := s.find(1, now+1); ok {
		t.Errorf("the stamp of a forgotten packet went to %d", got)
	}
	now += inQueue
	s.restart(now)
	number = 0
	stamped() // what was forgotten cannot come any more
}

// TestIDsAreNeverWrong sends packets that wait in a queue for a while, with
// refusals between them that begin the numbering again, and more of those than
// are remembered. A stamp may find no packet; it must not find another's.
func TestIDsAreNeverWrong(t *testing.T) {
	forgot := false
	rapid.Check(t, func(t *rapid.T) {
		type packet struct {
			id, number uint32
			leaves     int64
		}
		s := &ids{}
		s.next = rapid.SampledFrom([]uint32{0, 1<<32 - 50}).Draw(t, "first id") // ids wrap
		s.bases[0] = s.next
		var queue []packet
		number, now, found, told := uint32(0), int64(0), 0, 0
		delay := rapid.Int64Range(0, 300).Draw(t, "longest delay") * ms
		refusals := rapid.IntRange(0, 9).Draw(t, "refusals of 10")
		pause := rapid.SampledFrom([]int64{ms / 10, 5 * ms}).Draw(t, "longest pause")
		for range rapid.SampledFrom([]int{10, 100, 2000}).Draw(t, "steps") {
			now += rapid.Int64Range(1, pause).Draw(t, "pause")
			if rapid.IntRange(0, 9).Draw(t, "refused") < refusals {
				s.restart(now)
				number = 0
			} else {
				leaves := now + rapid.Int64Range(1, delay+1).Draw(t, "delay")
				queue = append(queue, packet{s.sent(now), number, leaves})
				number++
			}
			rest := queue[:0]
			for _, p := range queue {
				if p.leaves > now {
					rest = append(rest, p)
					continue
				}
				told++
				if id, ok := s.find(p.number, p.leaves); ok {
					if found++; id != p.id {
						t.Fatalf("the stamp of packet %d went to %d", p.id, id)
					}
				}
			}
			queue = rest
		}
		if refusals == 0 && found != told {
			t.Fatalf("%d of %d stamps found their packet, though none was refused", found, told)
		}
		forgot = forgot || s.muddled > 0
	})
	if !forgot {
		t.Error("in no run were there more refusals than are remembered")
	}
}
