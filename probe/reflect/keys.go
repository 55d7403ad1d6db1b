package reflect

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"runtime"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// minSecret is the shortest secret that is taken, in bytes: that of the HMAC
// it makes.
const minSecret = 16

// keyEntry is an entry of a key file.
type keyEntry struct {
	Prefix string `yaml:"prefix"`
	Key    string `yaml:"key"`
}

// ReadKeys reads a file of keys: a YAML list of prefix and key, the key in hex
// or base64. It refuses a file that others than its owner may read, and says
// no part of a key in its errors.
func ReadKeys(file string) ([]Key, error) {
	data, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	var entries []keyEntry
	doc, err := yamlfile.Parse(file, data, &entries)
	if err != nil {
		return nil, err
	}
	var keys []Key
	seen := map[netip.Prefix]bool{}
	for i, e := range entries {
		at := fmt.Sprintf("[%d]", i)
		prefix, err := ParsePrefix(e.Prefix)
		if err != nil {
			return nil, doc.Errorf(at+".prefix", "%v", err)
		}
		if seen[prefix] {
			return nil, doc.Errorf(at+".prefix", "%v is given twice; keep one", prefix)
		}
		seen[prefix] = true
		secret, ok := decodeSecret(e.Key)
		if !ok {
			return nil, doc.Errorf(at+".key", "must be at least %d bytes in hex or base64, such as `openssl rand -hex 32` prints", minSecret)
		}
		keys = append(keys, Key{prefix, secret})
	}
	return keys, nil
}

// Secret gives the secret of the longest prefix that holds an address; nil if
// there is none.
func Secret(keys []Key, address netip.Addr) []byte {
	secret, _ := newSecrets(keys).find(address.Unmap())
	return secret
}

func newSecrets(keys []Key) *prefixes[[]byte] {
	secrets := map[netip.Prefix][]byte{}
	for _, key := range keys {
		secrets[key.Prefix] = key.Secret
	}
	return newPrefixes(secrets)
}

func readSecret(file string) ([]byte, error) {
	f, err := os.Open(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf(`read keys: %w; a line of it is: - {prefix: 192.0.2.0/24, key: "..."}, the key from openssl rand -hex 32`, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("read keys: %w; it must belong to the account that this runs as: chown ACCOUNT %s", err, file)
	case err != nil:
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read keys: %s is a folder; give the file in it", file)
	}
	if others := info.Mode().Perm() & 0o077; others != 0 && runtime.GOOS != "windows" {
		return nil, &yamlfile.Error{File: file, Msg: fmt.Sprintf("is open to others than its owner (mode %#o); keys must not be: chmod 600 %s", info.Mode().Perm(), file)}
	}
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return data, nil
}

// decodeSecret takes what can be read as hex for hex.
func decodeSecret(text string) ([]byte, bool) {
	secret, err := hex.DecodeString(text)
	if err != nil {
		secret, err = base64.StdEncoding.DecodeString(text)
	}
	return secret, err == nil && len(secret) >= minSecret
}

// ParsePrefix reads a prefix such as 192.0.2.0/24, or one address, which is a
// prefix of its whole length.
func ParsePrefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" && !address.Is4In6() {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%.80q is not a prefix such as 192.0.2.0/24 or 2001:db8::/48, nor an address", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%v has bits set behind its length; is %v meant?", prefix, prefix.Masked())
	}
	return prefix, nil
}
