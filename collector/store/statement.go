package store

import (
	"crypto/sha256"
	"fmt"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// PackStatement puts the digests of a statement one behind the other, which is
// half of what they take in hex.
func PackStatement(digests []wire.Digest) []byte {
	packed := make([]byte, 0, len(digests)*sha256.Size)
	for i := range digests {
		packed = append(packed, digests[i][:]...)
	}
	return packed
}

// UnpackStatement reads what PackStatement made.
func UnpackStatement(packed []byte) ([]wire.Digest, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	if len(packed)%sha256.Size != 0 {
		return nil, fmt.Errorf("the statement has %d bytes, not a multiple of %d; the store was altered", len(packed), sha256.Size)
	}
	digests := make([]wire.Digest, len(packed)/sha256.Size)
	for i := range digests {
		copy(digests[i][:], packed[i*sha256.Size:])
	}
	return digests, nil
}
