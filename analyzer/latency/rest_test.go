package latency

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fillAny sets every field below v, so that a field which a record leaves out
// is found whatever it is called.
func fillAny(v reflect.Value, rng *rand.Rand) {
	if v.Type() == reflect.TypeFor[Histogram]() {
		v.SetString(string(anyHistogram(rng)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillAny(v.Field(i), rng)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillAny(v.Index(i), rng)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fillAny(v.Index(i), rng)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fillAny(key, rng)
			fillAny(value, rng)
			v.SetMapIndex(key, value)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		text := make([]byte, 1+rng.IntN(200))
		for i := range text {
			text[i] = byte('a' + rng.IntN(26))
		}
		v.SetString(string(text))
	case reflect.Int, reflect.Int64:
		v.SetInt(rng.Int64()>>rng.IntN(63) - 1<<20)
	default:
		v.SetUint(rng.Uint64()>>rng.IntN(64) | 1)
	}
}

func anyHistogram(rng *rand.Rand) Histogram {
	var d Distribution
	d.AddLost(rng.Uint64() >> (1 + rng.IntN(62)))
	values := 3
	if rng.IntN(20) == 0 {
		values = 2 * blockValues
	}
	for range rng.IntN(values) {
		d.AddRTT(rng.Uint32()>>(8+rng.IntN(24)), 1+uint64(rng.Uint32()>>(1+rng.IntN(30))))
	}
	return d.Histogram()
}

func anyDay(seed uint64) *Day {
	day := &Day{}
	fillAny(reflect.ValueOf(day).Elem(), rand.New(rand.NewPCG(seed, 0)))
	return day
}

// TestDayAtRest: whatever is in a day is in its record.
func TestDayAtRest(t *testing.T) {
	for seed := range uint64(20) {
		want, got := anyDay(seed), &Day{}
		want.HoursAtRest = false
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		hours := want.MarshalHours()
		if err := errors.Join(got.UnmarshalBinary(data), got.UnmarshalHours(hours)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
		sums := &Day{}
		if err := sums.UnmarshalSums(data); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		whole := *want
		whole.Bins, whole.HoursAtRest = nil, true
		if diff := cmp.Diff(&whole, sums, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: of the whole day (-want +got):\n%s", seed, diff)
		}
		for what, read := range map[string]struct {
			data []byte
			into func([]byte) error
		}{"day": {data, got.UnmarshalBinary}, "hours": {hours, got.UnmarshalHours}} {
			for i := range read.data {
				harmed := slices.Clone(read.data)
				harmed[i] ^= 1 << (i % 8)
				if read.into(harmed) == nil {
					t.Fatalf("seed %d: a %s with a bit of byte %d turned was taken", seed, what, i)
				}
			}
			if read.into(read.data[:len(read.data)-1]) == nil {
				t.Fatalf("seed %d: a %s without its last byte was taken", seed, what)
			}
		}
	}
}

// FuzzDayAtRest looks behind the checksum.
func FuzzDayAtRest(f *testing.F) {
	for seed := range uint64(3) {
		data, _ := anyDay(seed).MarshalBinary()
		f.Add(data[:len(data)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		day := &Day{}
		if err := day.UnmarshalBinary(withChecksum(body)); err != nil {
			return
		}
		again, err := day.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		same := &Day{}
		if err := same.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(day, same) {
			t.Errorf("(-read +written and read):\n%s", cmp.Diff(day, same))
		}
	})
}
