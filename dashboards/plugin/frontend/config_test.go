package frontend

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

func TestConfigEditorWrites(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		empty := object{"url": "", "jsonData": object{}, "secureJsonFields": object{}}
		for _, mode := range []string{"light", "dark"} {
			b.show("config", empty, mode)
			b.save("config-empty-" + mode)
		}
		b.typeInto("fibergauge-url", "http://analyzer.example:8470")
		if !strings.Contains(b.text(), "The token is not sent over http") {
			t.Error("nobody is told that the token is not sent")
		}
		b.save("config-unsafe")
		b.typeInto("fibergauge-token", "secret")
		b.typeInto("fibergauge-timeout", "45")
		b.typeInto("fibergauge-server-name", "inside")
		for _, id := range []string{"fibergauge-plain", "fibergauge-ca", "fibergauge-client", "fibergauge-skip"} {
			eval[any](b, "document.getElementById('"+id+"').click(); null")
			b.settle()
		}
		if strings.Contains(b.text(), "The token is not sent over http") {
			t.Error("what was allowed is warned of")
		}
		b.typeInto("fibergauge-tlsCACert", "one")
		b.typeInto("fibergauge-tlsClientCert", "two")
		b.typeInto("fibergauge-tlsClientKey", "three")
		b.save("config-written")
		want := object{
			"url":              "http://analyzer.example:8470",
			"jsonData":         object{"timeout": 45.0, "serverName": "inside", "plainHTTP": true, "tlsAuthWithCACert": true, "tlsAuth": true, "tlsSkipVerify": true},
			"secureJsonData":   object{"token": "secret", "tlsCACert": "one", "tlsClientCert": "two", "tlsClientKey": "three"},
			"secureJsonFields": object{"token": false, "tlsCACert": false, "tlsClientCert": false, "tlsClientKey": false},
		}
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
	})
}

// A secret that is kept is not shown, and can be given anew.
func TestConfigEditorKeepsSecrets(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		b.show("config", object{"url": "https://a.example", "jsonData": object{"tlsAuth": true}, "secureJsonFields": object{"token": true, "tlsClientKey": true}}, "dark")
		b.save("config-kept")
		if kept := eval[bool](b, `document.getElementById("fibergauge-token").disabled`); !kept {
			t.Error("a token that is kept can be written over by chance")
		}
		b.run(chromedp.Click(chromedp.CSS(`button`)))
		b.settle()
		got := b.last()
		if diff := cmp.Diff(object{"token": false, "tlsClientKey": true}, got["secureJsonFields"]); diff != "" {
			t.Errorf("after reset (-want +got):\n%s", diff)
		}
		b.typeInto("fibergauge-token", "new")
		if diff := cmp.Diff(object{"token": "new"}, b.last()["secureJsonData"]); diff != "" {
			t.Errorf("after another is typed (-want +got):\n%s", diff)
		}
	})
}

// Where the token goes over http to this machine, or over https, nobody is warned.
func TestConfigEditorWarns(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		for url, says := range map[string]string{
			"https://a.example": "", "http://localhost:8470": "", "http://127.0.0.1:8470/": "", "http://[::1]:8470": "",
			"http://localhost.example": "not sent", "http://10.0.0.1": "not sent", "a.example": "Begin with", "ftp://a": "Begin with",
		} {
			b.show("config", object{"url": url, "jsonData": object{}, "secureJsonFields": object{}}, "light")
			text := b.text()
			if warned := strings.Contains(text, "not sent") || strings.Contains(text, "Begin with"); warned != (says != "") || !strings.Contains(text, says) {
				t.Errorf("%s: %q is not what is said in %q", url, says, text)
			}
		}
	})
}
