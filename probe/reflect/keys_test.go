package reflect

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadKeys(t *testing.T) {
	const hexKey, base64Key = "000102030405060708090a0b0c0d0e0f", "AAECAwQFBgcICQoLDA0ODw=="
	sixteen := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	digits := []byte{0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78}
	for _, test := range []struct {
		name, text string
		want       []Key
		err        string
	}{
		{"hex and base64", "- {prefix: 192.0.2.0/24, key: " + hexKey + "}\n- prefix: 2001:db8::1\n  key: " + base64Key + "\n",
			[]Key{{netip.MustParsePrefix("192.0.2.0/24"), sixteen}, {netip.MustParsePrefix("2001:db8::1/128"), sixteen}}, ""},
		{"hex that YAML takes for a number", "- {prefix: 192.0.2.0/24, key: 12345678123456781234567812345678}\n",
			[]Key{{netip.MustParsePrefix("192.0.2.0/24"), digits}}, ""},
		{"prefix", "- {prefix: here, key: " + hexKey + "}\n", nil, `FILE:1: [0].prefix: "here" is not a prefix such as 192.0.2.0/24 or 2001:db8::/48, nor an address`},
		{"bits behind the prefix", "- {prefix: 192.0.2.1/24, key: " + hexKey + "}\n", nil, `FILE:1: [0].prefix: 192.0.2.1/24 has bits set behind its length; is 192.0.2.0/24 meant?`},
		{"twice", "- {prefix: 192.0.2.1, key: " + hexKey + "}\n- {prefix: 192.0.2.1/32, key: " + hexKey + "}\n", nil, `FILE:2: [1].prefix: 192.0.2.1/32 is given twice; keep one`},
		{"short key", "- {prefix: 192.0.2.1, key: " + hexKey[2:] + "}\n", nil, "FILE:1: [0].key: must be at least 16 bytes in hex or base64, such as `openssl rand -hex 32` prints"},
		{"no key", "- {prefix: 192.0.2.1}\n", nil, "FILE:1: [0].key: must be at least 16 bytes in hex or base64, such as `openssl rand -hex 32` prints"},
		{"unknown field", "- {prefix: 192.0.2.1, kee: x}\n", nil, "FILE:1: [0].kee: unknown field; allowed: prefix, key"},
		{"no list", "prefix: 192.0.2.1\n", nil, "FILE:1: must be a list"},
		{"empty", "", nil, "FILE: is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys.yaml")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadKeys(file)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			message := ""
			if err != nil {
				message = strings.ReplaceAll(err.Error(), file, "FILE")
			}
			if message != test.err {
				t.Errorf("error %q\nwant  %q", message, test.err)
			}
		})
	}
}

func TestKeysThatOthersMayReadAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(file, []byte("- {prefix: 192.0.2.1, key: 000102030405060708090a0b0c0d0e0f}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true, 0o610: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeys(file); (err != nil) != refused {
			t.Errorf("mode %o: %v", mode, err)
		} else if refused && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %q does not say what to do", mode, err)
		}
	}
	if _, err := ReadKeys(file + ".away"); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := ReadKeys(filepath.Dir(file)); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
}
