package identity

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// pipes is a listener whose connections are pipes, in which time can be faked.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rig is a probe that renews towards a real server of TLS, in fake time.
type rig struct {
	*authority
	dir    string
	folder *Folder
	log    *logtest.Buffer
}

// run gives the test a rig in a bubble whose time begins in 2000.
func run(t *testing.T, life time.Duration, test func(t *testing.T, r *rig, client *http.Client)) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		a.life = life
		r := &rig{authority: a, dir: a.folder("zjk-a", time.Now(), time.Now().Add(life)), log: &logtest.Buffer{}}
		logger := slog.New(slog.NewTextHandler(r.log, nil))
		var err error
		if r.folder, err = Open(r.dir, "zjk-a", logger); err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		server := &http.Server{Handler: a, ErrorLog: log.New(io.Discard, "", 0)}
		config := a.tls(a.server(time.Now(), time.Now().AddDate(1, 0, 0), "collector.example"))
		go server.Serve(tls.NewListener(listener, config))
		client := &http.Client{Transport: r.folder.Transport(&http.Transport{DialContext: listener.dial})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			(&Renewal{Folder: r.folder, Client: client, Collector: "https://collector.example", Log: logger}).Run(ctx)
			close(done)
		}()
		test(t, r, client)
		cancel()
		<-done
		client.CloseIdleConnections()
		server.Close()
	})
}

func TestRenewal(t *testing.T) {
	const life = 30 * 24 * time.Hour
	run(t, life, func(t *testing.T, r *rig, _ *http.Client) {
		first := r.folder.Current()
		time.Sleep(life*2/3 - time.Second)
		synctest.Wait()
		if asked, _ := r.heard(); len(asked) != 0 {
			t.Errorf("renewed %d times before a third was left", len(asked))
		}
		time.Sleep(life/60 + time.Minute)
		synctest.Wait()
		second := r.folder.Current()
		asked, shown := r.heard()
		if len(asked) != 1 || second.Certificate.Leaf.Equal(first.Certificate.Leaf) {
			t.Fatalf("%d requests\n%s", len(asked), r.log)
		}
		if fits(first.Certificate.PrivateKey.(crypto.Signer), second.Certificate.Leaf) {
			t.Error("renewed with the old key")
		}
		if !second.Signing.Equal(first.Signing) {
			t.Error("the signing key was changed")
		}
		if !shown[0].Equal(first.Certificate.Leaf) {
			t.Error("asked with another certificate than that in force")
		}
		time.Sleep(life)
		synctest.Wait()
		if asked, shown := r.heard(); len(asked) != 2 || !shown[1].Equal(second.Certificate.Leaf) {
			t.Errorf("after another life: %d requests", len(asked))
		}
		if n := len(contents(t, r.dir)); n != 4 {
			t.Errorf("%d files are left", n)
		}
	})
}

// TestRenewalTriesAgain: a collector that is away does not cost the identity,
// and is not asked all the time.
func TestRenewalTriesAgain(t *testing.T) {
	const life = 30 * 24 * time.Hour
	run(t, life, func(t *testing.T, r *rig, _ *http.Client) {
		r.set(func() { r.told = problem(503, wire.CodeStoreUnavailable, "again later") })
		first := r.folder.Current()
		time.Sleep(life*2/3 + life/60)
		synctest.Wait()
		r.set(func() { r.asked = nil })
		time.Sleep(5 * 24 * time.Hour)
		synctest.Wait()
		r.set(func() {
			// The pauses are half an hour to an hour long.
			if n := len(r.asked); n < 100 || n > 250 {
				t.Errorf("asked %d times in five days", n)
			}
			for _, e := range r.asked[1:] {
				if keysOf(t, e) != keysOf(t, r.asked[0]) {
					t.Error("another key for the same renewal")
				}
			}
			r.told = nil
		})
		if r.folder.Current() != first {
			t.Error("another identity is in force")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if r.folder.Current() == first || !strings.Contains(r.log.String(), "the certificate was renewed") {
			t.Errorf("not renewed after the collector's return:\n%s", r.log)
		}
	})
}

// TestRenewalThatCannotBe says in words why, and what to do.
func TestRenewalThatCannotBe(t *testing.T) {
	const life = 3 * time.Hour
	for _, tt := range []struct {
		name string
		set  func(r *rig)
		wait time.Duration
		want string
	}{
		{"no --pki", func(r *rig) { r.told = problem(404, wire.CodeNotFound, "no such path") }, life * 3 / 4,
			"this collector renews nothing, only one with --pki does"},
		{"revoked", func(r *rig) { r.told = problem(401, wire.CodeUnauthenticated, "was revoked; enrol again") }, life * 3 / 4,
			"was revoked; enrol again (unauthenticated)"},
		{"certificate of another site", func(r *rig) {
			r.alter = func(c *wire.Certificate) {
				own, err := x509.ParseCertificate(c.Chain[0])
				if err != nil {
					panic(err)
				}
				c.Chain[0] = r.issue("zjk-b", own.PublicKey, own.NotBefore, own.NotAfter).Raw
			}
		}, life * 3 / 4, "a certificate that is not of site zjk-a; nothing was changed"},
		{"ended", func(r *rig) { r.told = problem(503, wire.CodeInternal, "") }, life + time.Hour, "the certificate of site zjk-a ended at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, life, func(t *testing.T, r *rig, _ *http.Client) {
				r.set(func() { tt.set(r) })
				first := r.folder.Current()
				time.Sleep(tt.wait)
				synctest.Wait()
				if !strings.Contains(r.log.String(), tt.want) || r.folder.Current() != first {
					t.Errorf("want %s\n%s", tt.want, r.log)
				}
			})
		})
	}
}

// TestRenewalOfAnAuthorityThatEnds: certificates that are due at once are not
// asked for all the time.
func TestRenewalOfAnAuthorityThatEnds(t *testing.T) {
	run(t, 3*time.Hour, func(t *testing.T, r *rig, _ *http.Client) {
		r.set(func() { r.life, r.begin = 3*time.Hour, -150*time.Minute })
		time.Sleep(2*time.Hour + 20*time.Minute)
		synctest.Wait()
		asked, _ := r.heard()
		if n := len(asked); n < 2 || n > 30 {
			t.Errorf("asked %d times in a quarter of an hour", n)
		}
	})
}

// TestConnectionsFollowTheIdentity: a new certificate is shown from the next
// request on.
func TestConnectionsFollowTheIdentity(t *testing.T) {
	run(t, 30*24*time.Hour, func(t *testing.T, r *rig, client *http.Client) {
		ask := func() error {
			id := r.folder.Current()
			e, err := request("zjk-a", newKey(t), id.Signing)
			if err != nil {
				t.Fatal(err)
			}
			_, err = post(t.Context(), client, "https://collector.example/v1/sites/zjk-a/certificate", "", e)
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		for name, data := range contents(t, r.authority.folder("zjk-a", time.Now(), time.Now().Add(time.Hour))) {
			if err := write(r.dir, name, 0o600, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		if _, shown := r.heard(); shown[0].Equal(shown[1]) {
			t.Error("the old certificate was shown")
		}
		r.set(func() { r.told = problem(503, wire.CodeInternal, "") }) // it cannot be renewed either
		time.Sleep(2 * time.Hour)
		if err := ask(); err == nil || !strings.Contains(err.Error(), "the certificate of site zjk-a ended at") {
			t.Errorf("with a certificate that ended: %v", err)
		}
	})
}

// TestCollectorRefuses takes what a server says to a client certificate by TLS.
func TestCollectorRefuses(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	from, until := month()
	for _, tt := range []struct {
		name   string
		config func(*tls.Config)
		want   string
	}{
		{"authority not known", func(c *tls.Config) { c.ClientCAs = pool([]*x509.Certificate{other.root}) },
			"the collector does not know the authority of this probe's certificate; see whether --collector is the right one"},
		{"revoked", func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("revoked") }
		}, "the collector refuses this probe's certificate: it is revoked, or not one of a site of its mesh; ask the collector's operators why"},
		{"ended by the clock there", func(c *tls.Config) { c.Time = func() time.Time { return until.AddDate(0, 0, 1) } },
			"for the collector, this probe's certificate is not in force; compare the clocks of both"},
	} {
		for _, protocols := range [][]string{{"http/1.1"}, {"h2", "http/1.1"}} {
			t.Run(tt.name+" "+protocols[0], func(t *testing.T) {
				config := a.tls(a.server(from, until, "127.0.0.1"))
				config.NextProtos = protocols
				tt.config(config)
				at := listen(t, config, a)
				folder, err := Open(a.folder("zjk-a", from, until), "zjk-a", slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				client := http.Client{Transport: folder.Transport(&http.Transport{ForceAttemptHTTP2: true})}
				_, err = client.Get(at)
				var wrapped *url.Error
				if !errors.As(err, &wrapped) || !strings.HasPrefix(wrapped.Err.Error(), tt.want) {
					t.Errorf("%v\nwant %s", err, tt.want)
				}
			})
		}
	}
}

// TestEnrolmentBesideRenewal: another identity is installed while a renewal is
// under way. It stays, with its roots and keys, and is the one that is used.
func TestEnrolmentBesideRenewal(t *testing.T) {
	const life = 3 * time.Hour
	run(t, life, func(t *testing.T, r *rig, _ *http.Client) {
		other := newAuthority(t)
		var enrolled map[string]string
		r.set(func() {
			r.alter = func(*wire.Certificate) {
				r.alter = nil
				key := newKey(t)
				own := r.issue("zjk-a", &key.PublicKey, time.Now(), time.Now().Add(10*life))
				c := &issued{chain: []*x509.Certificate{own, r.between}, root: r.root}
				for _, err := range []error{writeKey(r.dir, enrolKeyFile, key), c.install(r.dir, []*x509.Certificate{r.root, other.root}, nil)} {
					if err != nil {
						t.Error(err)
					}
				}
				enrolled = contents(t, r.dir)
			}
		})
		time.Sleep(life)
		synctest.Wait()
		if enrolled == nil {
			t.Fatalf("nothing was renewed:\n%s", r.log)
		}
		for _, file := range []string{keyFile, certificateFile, authorityFile, signingFile} {
			if contents(t, r.dir)[file] != enrolled[file] {
				t.Errorf("%s was changed after the enrolment", file)
			}
		}
		if !strings.Contains(r.log.String(), "holds another certificate now than the one that was to be renewed; nothing was changed") {
			t.Errorf("log:\n%s", r.log)
		}
		if id := r.folder.Current(); len(id.Roots) != 2 || id.InForce(time.Now()) != nil {
			t.Errorf("%d roots, %v", len(id.Roots), id.InForce(time.Now()))
		}
		// And it is renewed in its turn.
		time.Sleep(8 * life)
		if strings.Count(r.log.String(), "the certificate was renewed") == 0 {
			t.Errorf("log:\n%s", r.log)
		}
	})
}
