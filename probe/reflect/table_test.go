package reflect

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTableIsAsASlowOne compares with a list that is searched from end to end.
func TestTableIsAsASlowOne(t *testing.T) {
	type slow struct {
		key   int
		value int
		used  time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		most, idle := rapid.IntRange(1, 5).Draw(t, "most"), 10*time.Second
		table, now := newTable[int, int](most, idle), start
		var list []slow // the newest last
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "seconds")) * time.Second)
			key := rapid.IntRange(0, 7).Draw(t, "key")
			value, made, forced := table.use(key, now)

			i := slices.IndexFunc(list, func(s slow) bool { return s.key == key })
			wantMade := i < 0 || now.Sub(list[i].used) > idle
			wantForced := false
			if wantMade {
				list = slices.DeleteFunc(list, func(s slow) bool { return now.Sub(s.used) > idle })
				if wantForced = len(list) >= most; wantForced {
					list = list[1:]
				}
				list = append(list, slow{key: key, used: now})
			} else {
				s := list[i]
				s.used = now
				list = append(slices.Delete(list, i, i+1), s)
			}
			last := &list[len(list)-1]
			if made != wantMade || forced != wantForced || *value != last.value {
				t.Fatalf("key %d: made %v, forced %v, value %d; want %v, %v, %d", key, made, forced, *value, wantMade, wantForced, last.value)
			}
			last.value++
			*value++
			if len(table.entries) > most || !wantMade && len(table.entries) < len(list) {
				t.Fatalf("%d entries, want %d", len(table.entries), len(list))
			}
		}
		table.expire(now.Add(idle + 1))
		if len(table.entries) != 0 || table.newest != nil || table.oldest != nil {
			t.Fatalf("%d entries are left after all were idle", len(table.entries))
		}
	})
}

// TestPrefixesAreAsASlowSearch compares with a look at each prefix.
func TestPrefixesAreAsASlowSearch(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "IPv4") {
			return netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "a"), rapid.Byte().Draw(t, "b")})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, rapid.Byte().Draw(t, "a"), 15: rapid.Byte().Draw(t, "b")})
	})
	rapid.Check(t, func(t *rapid.T) {
		values := map[netip.Prefix]int{}
		for i := range rapid.IntRange(0, 20).Draw(t, "prefixes") {
			a := address.Draw(t, "prefix")
			prefix, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			if err != nil {
				t.Fatal(err)
			}
			values[prefix] = i
		}
		a := address.Draw(t, "address")
		want, wantOK, longest := 0, false, -1
		for prefix, value := range values {
			if prefix.Contains(a) && prefix.Bits() > longest {
				want, wantOK, longest = value, true, prefix.Bits()
			}
		}
		if got, ok := newPrefixes(values).find(a); got != want || ok != wantOK {
			t.Fatalf("%v in %v: %d, %v; want %d, %v", a, values, got, ok, want, wantOK)
		}
	})
}
