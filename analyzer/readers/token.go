package readers

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// tokenPrefix lets people, and programs that look for leaked secrets, see what
// a token is; the digit is the version of its form.
const tokenPrefix = "fgr1."

// secretBytes is how many random bytes a token has.
const secretBytes = 32

// digest is the SHA-256 of a token as it is written. A slow hash, as for
// passwords, would gain nothing: those are guessed from what people choose, and
// 256 random bits are not guessed at any speed. A fast one keeps strangers from
// making the server work.
type digest [sha256.Size]byte

// encoding is strict, so that a token can be written in one way only.
var encoding = base64.RawURLEncoding.Strict()

func newToken() (string, digest) {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: it ends the program instead
	token := tokenPrefix + encoding.EncodeToString(secret)
	return token, sha256.Sum256([]byte(token))
}

// errNoToken does not repeat the text: it may be somebody's secret.
var errNoToken = errors.New("this is not a token of a reader; one begins with " + tokenPrefix + " and has 48 characters")

func digestOf(token string) (digest, error) {
	text, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(text) != encoding.EncodedLen(secretBytes) {
		return digest{}, errNoToken
	}
	// The decoder leaves out line breaks, so the length alone is not enough.
	if secret, err := encoding.DecodeString(text); err != nil || len(secret) != secretBytes {
		return digest{}, errNoToken
	}
	return sha256.Sum256([]byte(token)), nil
}
