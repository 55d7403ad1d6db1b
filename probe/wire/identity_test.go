package wire

import (
	"bytes"
	"crypto/ed25519"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSiteOf(t *testing.T) {
	parse := func(texts ...string) []*url.URL {
		var all []*url.URL
		for _, text := range texts {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, u)
		}
		return all
	}
	if site, err := SiteOf("example.org", []*url.URL{SiteURI("example.org", "zjk-a.1_B")}); site != "zjk-a.1_B" || err != nil {
		t.Errorf("own URI: %q, %v", site, err)
	}
	for _, uris := range [][]*url.URL{
		nil,
		parse("spiffe://fibergauge/site/a", "spiffe://fibergauge/site/b"),
		parse("spiffe://other/site/a"),
		parse("https://fibergauge/site/a"),
		parse("spiffe://FIBERGAUGE/site/a"),
		parse("spiffe://fibergauge/site/a/b"),
		parse("spiffe://fibergauge/site/"),
		parse("spiffe://fibergauge/site/%61"),
		parse("spiffe://fibergauge/site/a%0a"),
		parse("spiffe://fibergauge/site/a?b"),
		parse("spiffe://fibergauge/site/a#b"),
		parse("spiffe://me@fibergauge/site/a"),
		parse("spiffe://fibergauge:1/site/a"),
		parse("spiffe:fibergauge/site/a"),
		parse("spiffe://fibergauge/sites/a"),
		parse("spiffe://fibergauge//site/a"),
	} {
		if site, err := SiteOf("fibergauge", uris); err == nil {
			t.Errorf("%v is taken for %q", uris, site)
		}
	}
}

func TestSignatures(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	one, two := sample(), sample()
	two.StartMS += 60_000
	two.EndMS += 60_000
	b := Batch{Schema: SchemaBatch, Site: one.Src, Windows: []Window{one, two}}
	b.Sign(key)
	back, err := DecodeBatch(b.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Signature.Verify(public, back.Canonical()); err != nil {
		t.Errorf("own signature: %v", err)
	}
	// What the journal keeps is enough.
	if err := back.Signature.Verify(public, Statement(one.Src, []Digest{one.Digest(), two.Digest()})); err != nil {
		t.Errorf("from the digests: %v", err)
	}
	for name, change := range map[string]func(*Batch) ed25519.PublicKey{
		"another key": func(*Batch) ed25519.PublicKey { return other.Public().(ed25519.PublicKey) },
		"another's name": func(b *Batch) ed25519.PublicKey {
			b.Signature.KeyID = KeyID(other.Public().(ed25519.PublicKey))
			return public
		},
		"no key":    func(*Batch) ed25519.PublicKey { return nil },
		"algorithm": func(b *Batch) ed25519.PublicKey { b.Signature.Algorithm = "none"; return public },
		"site":      func(b *Batch) ed25519.PublicKey { b.Site = "b2"; return public },
		"one less":  func(b *Batch) ed25519.PublicKey { b.Windows = b.Windows[:1]; return public },
		"one twice": func(b *Batch) ed25519.PublicKey { b.Windows[1] = b.Windows[0]; return public },
		"order": func(b *Batch) ed25519.PublicKey {
			b.Windows[0], b.Windows[1] = b.Windows[1], b.Windows[0]
			return public
		},
		"a packet more":   func(b *Batch) ed25519.PublicKey { b.Windows[0].Lost++; return public },
		"value":           func(b *Batch) ed25519.PublicKey { b.Signature.Value[0] ^= 1; return public },
		"value cut":       func(b *Batch) ed25519.PublicKey { b.Signature.Value = b.Signature.Value[:63]; return public },
		"value of length": func(b *Batch) ed25519.PublicKey { b.Signature.Value = append(b.Signature.Value, 0); return public },
	} {
		changed, err := DecodeBatch(b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		public := change(changed)
		if err := changed.Signature.Verify(public, changed.Canonical()); err == nil {
			t.Errorf("%s: the signature is believed", name)
		}
	}
}

func TestTokens(t *testing.T) {
	token := Token{Site: "zjk-a", Secret: bytes.Repeat([]byte{7}, TokenSecretBytes), Authority: Digest{1, 2}}
	text := token.String()
	for _, s := range []string{text, text + "\n", " " + text} {
		back, err := ParseToken(s)
		if err != nil || back.String() != text {
			t.Errorf("%q: %+v, %v", s, back, err)
		}
	}
	for _, s := range []string{
		"", "fgt1.", "fgt2." + text[5:], text[:len(text)-1], text + "A", text + "=", strings.ToUpper(text), "fgt1." + strings.Repeat("A", 2000),
		Token{Site: "a/b", Secret: token.Secret}.String(), Token{Site: "a", Secret: token.Secret[1:]}.String(),
	} {
		if back, err := ParseToken(s); err == nil {
			t.Errorf("%q is taken for %+v", s, back)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(Token{Site: "zjk-a", Secret: make([]byte, TokenSecretBytes)}.String())
	f.Add("fgt1.e30")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseToken(s)
		if err != nil {
			return
		}
		if again, err := ParseToken(token.String()); err != nil || again.String() != token.String() {
			t.Errorf("%q: %+v does not come back: %+v, %v", s, token, again, err)
		}
	})
}

func FuzzDecodeEnrolment(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	request := []byte("a request")
	f.Add(canonical(Enrolment{
		Schema: SchemaEnrolment, Token: "x", Request: request,
		SigningKey: key.Public().(ed25519.PublicKey), SigningProof: ed25519.Sign(key, request),
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEnrolment(data)
		if err != nil {
			return
		}
		if !ed25519.Verify(e.SigningKey, e.Request, e.SigningProof) {
			t.Error("a proof that proves nothing was taken")
		}
	})
}

// FuzzSiteOf reads any text as the URI of a certificate: whatever is taken for a
// site is spelled in the one way that names it, in its own trust domain.
func FuzzSiteOf(f *testing.F) {
	for _, s := range []string{
		"spiffe://fibergauge/site/zjk-a.1_B", "spiffe://fibergauge/site/%61", "spiffe://fibergauge/site/a?b", "spiffe://FIBERGAUGE/site/a",
		"spiffe://me@fibergauge/site/a", "spiffe:fibergauge/site/a", "https://fibergauge/site/a", "spiffe://fibergauge/site/a\n", "",
	} {
		f.Add("fibergauge", s)
	}
	f.Add("example.org", "spiffe://example.org/site/a")
	f.Add("", "spiffe:///site/a")
	f.Fuzz(func(t *testing.T, domain, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return // x509 refuses such a certificate
		}
		site, err := SiteOf(domain, []*url.URL{u})
		if err != nil {
			if site != "" || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x00\x1b") {
				t.Errorf("%q: site %q, error %q", text, site, err)
			}
			return
		}
		if !IsIdentifier(site) || text != "spiffe://"+domain+"/site/"+site && u.String() != SiteURI(domain, site).String() {
			t.Errorf("%q in %q is taken for %q", text, domain, site)
		}
		if other, err := SiteOf(domain+"x", []*url.URL{u}); err == nil {
			t.Errorf("%q is of two trust domains: %q", text, other)
		}
	})
}
