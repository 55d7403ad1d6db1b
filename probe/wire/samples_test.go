package wire

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRTTsSurviveTheCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtts := rapid.SliceOf(rapid.Uint32Range(0, MaxRTTUS)).Draw(t, "rtts")
		slices.Sort(rtts)
		got, err := DecodeRTTs(nil, AppendRTTs(nil, rtts))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, rtts) {
			t.Fatalf("got %v, want %v", got, rtts)
		}
	})
}

func TestDecodeRTTsRefusesEverySecondSpelling(t *testing.T) {
	for _, test := range []struct {
		name  string
		coded []byte
		want  string
	}{
		{"padded varint", []byte{0x85, 0x00}, "rtts: a varint is longer than it needs to be"},
		{"cut off", []byte{0x85}, "rtts: a varint is cut off or too long"},
		{"overlong", bytes.Repeat([]byte{0xff}, 11), "rtts: a varint is cut off or too long"},
		{"difference above a minute", []byte{0x81, 0x8e, 0xce, 0x1c}, "rtts: a difference of 60000001 µs is above 60000000"},
		{"sum above a minute", []byte{0x80, 0x8e, 0xce, 0x1c, 0x01}, "rtts: 60000001 µs is above 60000000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := DecodeRTTs(nil, test.coded)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAppendRTTsPanicsOnUnsorted(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("unsorted RTTs were encoded")
		}
	}()
	AppendRTTs(nil, []uint32{2, 1})
}

// TestNearestRank holds the index against the definition: the smallest value
// such that at least that many percent of all are not above it.
func TestNearestRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		percent := rapid.IntRange(1, 100).Draw(t, "percent")
		i := NearestRank(n, percent)
		if i < 0 || i >= n {
			t.Fatalf("index %d of %d values", i, n)
		}
		if (i+1)*100 < percent*n {
			t.Fatalf("only %d of %d values are not above it, which is less than %d %%", i+1, n, percent)
		}
		if i > 0 && i*100 >= percent*n {
			t.Fatalf("the value before it, %d of %d, was enough for %d %%", i, n, percent)
		}
	})
}

func TestStatsOf(t *testing.T) {
	if StatsOf(nil) != nil {
		t.Error("statistics of nothing")
	}
	rtts := make([]uint32, 100)
	for i := range rtts {
		rtts[i] = uint32(i + 1)
	}
	want := &Stats{MinUS: 1, MeanUS: 50.5, P50US: 50, P95US: 95, P99US: 99, MaxUS: 100}
	if diff := cmp.Diff(want, StatsOf(rtts)); diff != "" {
		t.Errorf("statistics of 1 to 100 (-want +got):\n%s", diff)
	}
}

func FuzzDecodeRTTs(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendRTTs(nil, []uint32{0, 0, 127, 128, 16_384, MaxRTTUS}))
	f.Add([]byte{0x85, 0x00})
	f.Fuzz(func(t *testing.T, coded []byte) {
		rtts, err := DecodeRTTs(nil, coded)
		if err != nil {
			return
		}
		if !bytes.Equal(AppendRTTs(nil, rtts), coded) {
			t.Errorf("%x decodes to %v, which is encoded otherwise", coded, rtts)
		}
	})
}

func BenchmarkDecodeRTTs60(b *testing.B) {
	rtts := make([]uint32, 60)
	for i := range rtts {
		rtts[i] = uint32(15_000 + i*7)
	}
	coded := AppendRTTs(nil, rtts)
	for b.Loop() {
		if _, err := DecodeRTTs(rtts[:0], coded); err != nil {
			b.Fatal(err)
		}
	}
}
