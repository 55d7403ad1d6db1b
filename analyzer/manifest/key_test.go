package manifest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func signed(t *testing.T, key *PrivateKey, text []byte) []byte {
	t.Helper()
	signature, err := key.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(signature) > MaxSignatureBytes {
		t.Errorf("%d bytes", len(signature))
	}
	return signature
}

// A signature is good of these bytes, by this key, and whole; of nothing else.
func TestSignatures(t *testing.T) {
	for _, a := range []Algorithm{Ed25519, SM2} {
		t.Run(string(a), func(t *testing.T) {
			key, other := newKey(t, a), newKey(t, a)
			text := encoded(t, sample(t, key))
			signature := signed(t, key, text)
			if !key.Public().Verify(text, signature) {
				t.Fatal("it is not good")
			}
			if other.Public().Verify(text, signature) {
				t.Error("it is good by another key")
			}
			for i := range text {
				altered := bytes.Clone(text)
				altered[i] ^= 1
				if key.Public().Verify(altered, signature) {
					t.Errorf("byte %d of the text may be altered", i)
				}
			}
			for i := range signature {
				altered := bytes.Clone(signature)
				altered[i] ^= 1
				if key.Public().Verify(text, altered) || key.Public().Verify(text, signature[:i]) {
					t.Errorf("byte %d of the signature may be altered, or it may end there", i)
				}
			}
			if key.Public().Verify(text, append(bytes.Clone(signature), 0)) {
				t.Error("it may be longer")
			}
			same := bytes.Equal(signature, signed(t, key, text))
			if same != (a == Ed25519) {
				t.Errorf("signing again gives the same bytes: %v", same)
			}
		})
	}
}

func write(t *testing.T, name string, data []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyFiles(t *testing.T) {
	for _, a := range []Algorithm{Ed25519, SM2} {
		key := newKey(t, a)
		text, err := key.PEM()
		if err != nil {
			t.Fatal(err)
		}
		read, err := ReadPrivateKey(write(t, "key.pem", text, 0o600))
		if err != nil || read.Public().ID() != key.Public().ID() || read.Public().Algorithm() != a {
			t.Errorf("%s: %v", a, err)
		}
		public, err := ReadPublicKey(write(t, "key.pub", key.Public().PEM(), 0o644))
		if err != nil || public.ID() != key.Public().ID() {
			t.Errorf("%s: %v", a, err)
		}
		if _, err := ReadPublicKey(write(t, "key.pem", text, 0o600)); err == nil {
			t.Errorf("%s: a private key is taken for a public one", a)
		}
	}
}

func TestKeyFilesRefused(t *testing.T) {
	good, err := newKey(t, Ed25519).PEM()
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	p256 := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, test := range map[string]struct {
		data []byte
		mode os.FileMode
		want string
	}{
		"open to the group":   {good, 0o640, "chmod 600"},
		"open to all":         {good, 0o604, "chmod 600"},
		"no PEM":              {[]byte("x"), 0o600, "no private key in PKCS #8"},
		"a public key":        {newKey(t, Ed25519).Public().PEM(), 0o600, "holds a public key"},
		"a public key to all": {newKey(t, SM2).Public().PEM(), 0o644, "holds a public key"},
		"broken":              {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), 0o600, "Ed25519 or SM2 in PKCS #8"},
		"ECDSA of NIST P-256": {p256, 0o600, "does not sign reports"},
	} {
		if strings.Contains(name, "open") && runtime.GOOS == "windows" {
			continue
		}
		_, err := ReadPrivateKey(write(t, "key.pem", test.data, test.mode))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadPrivateKey(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "signing-key new makes a key") {
		t.Errorf("no file: %v", err)
	}
	if _, err := Generate("rsa"); err == nil {
		t.Error("RSA is generated")
	}
}

// openssl runs it, and gives its words; the test ends where it is not there:
// skipped, failed in CI.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: needs openssl: run make prepare")
	}
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	return string(out), err
}

// verifying are the commands of docs/publish.md.
func verifying(a Algorithm, public, text, signature string) []string {
	if a == SM2 {
		return []string{"dgst", "-sm3", "-sigopt", "distid:" + UserID, "-verify", public, "-signature", signature, text}
	}
	return []string{"pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", text, "-sigfile", signature}
}

// openssl checks our signatures with our public keys, makes keys that we read,
// and signs what we check.
func TestOpenSSL(t *testing.T) {
	for _, a := range []Algorithm{Ed25519, SM2} {
		t.Run(string(a), func(t *testing.T) {
			key := newKey(t, a)
			text := encoded(t, sample(t, key))
			public, message := write(t, "public", key.Public().PEM(), 0o644), write(t, "text", text, 0o644)
			if out, err := openssl(t, verifying(a, public, message, write(t, "signature", signed(t, key, text), 0o644))...); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			altered := write(t, "altered", append(text, ' '), 0o644)
			if out, err := openssl(t, verifying(a, public, altered, write(t, "signature", signed(t, key, text), 0o644))...); err == nil {
				t.Errorf("an altered text is good: %s", out)
			}

			theirs := write(t, "key.pem", nil, 0o600)
			if out, err := openssl(t, "genpkey", "-algorithm", string(a), "-out", theirs); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			read, err := ReadPrivateKey(theirs)
			if err != nil {
				t.Fatal(err)
			}
			der := write(t, "der", nil, 0o600)
			if out, err := openssl(t, "pkey", "-in", theirs, "-pubout", "-outform", "DER", "-out", der); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if data, err := os.ReadFile(der); err != nil || Hash(data) != read.Public().ID() {
				t.Errorf("the id is not that of the DER, %v", err)
			}
			signature := write(t, "signature", nil, 0o600)
			sign := []string{"pkeyutl", "-sign", "-rawin", "-inkey", theirs, "-in", message, "-out", signature}
			if a == SM2 {
				sign = append(sign, "-digest", "sm3", "-pkeyopt", "distid:"+UserID)
			}
			if out, err := openssl(t, sign...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if data, err := os.ReadFile(signature); err != nil || !read.Public().Verify(text, data) {
				t.Errorf("a signature of openssl is not good, %v", err)
			}
		})
	}
}
