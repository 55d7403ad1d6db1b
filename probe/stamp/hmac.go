package stamp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// hmacSize is the length of a truncated HMAC-SHA-256 (RFC 8762, section 4.4).
const hmacSize = 16

// digest is the truncated HMAC-SHA-256 of head followed by body. It is that of
// crypto/hmac, which the tests hold it against, but without its five
// allocations, of which an authenticated packet with TLVs would need twenty.
func digest(key, head, body []byte) [hmacSize]byte {
	var pad, sum [sha256.BlockSize]byte
	if len(key) > sha256.BlockSize {
		short := sha256.Sum256(key)
		key = short[:]
	}
	copy(pad[:], key)
	xor(&pad, 0x36)
	h := sha256.New()
	h.Write(pad[:])
	h.Write(head)
	h.Write(body)
	inner := h.Sum(sum[:0])
	xor(&pad, 0x36^0x5c)
	h.Reset()
	h.Write(pad[:])
	h.Write(inner)
	return [hmacSize]byte(h.Sum(sum[:0]))
}

func xor(pad *[sha256.BlockSize]byte, with byte) {
	for i := range pad {
		pad[i] ^= with
	}
}

// digestTLVs is what the HMAC TLV says: it covers the sequence number of the
// base packet and all TLVs before itself (RFC 8972, section 4.8).
func digestTLVs(key []byte, sequence uint32, before []byte) [hmacSize]byte {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], sequence)
	return digest(key, head[:], before)
}

// fits compares in constant time.
func fits(want [hmacSize]byte, got []byte) bool { return hmac.Equal(want[:], got) }
