package stamp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// TestTruncatedDigest is test case 5 of RFC 4231.
func TestTruncatedDigest(t *testing.T) {
	got := digest(bytes.Repeat([]byte{0x0c}, 20), []byte("Test With "), []byte("Truncation"))
	if want := "a3b6167473100ee06e0c796c2955552b"; hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

func TestDigestIsThatOfTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesUpTo := func(n int) *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 0, n) }
		key, head, body := bytesUpTo(200).Draw(t, "key"), bytesUpTo(100).Draw(t, "head"), bytesUpTo(300).Draw(t, "body")
		mac := hmac.New(sha256.New, key)
		mac.Write(head)
		mac.Write(body)
		if got := digest(key, head, body); !bytes.Equal(got[:], mac.Sum(nil)[:hmacSize]) {
			t.Fatalf("got %x", got)
		}
	})
}
