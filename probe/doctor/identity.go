package doctor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Identity looks at the keys and the certificate of a site in a folder. Where
// the collector is reached without TLS, only the signing key counts. Whether the
// collector takes the certificate, Collector.Ask finds out.
func Identity(dir, site string, byTLS bool, now func() time.Time) Check {
	return func(context.Context) []Finding {
		switch {
		case dir == "" && byTLS:
			return []Finding{found("identity", "", "none, and the collector asks for one").
				but(StatusFailed, "enrol this probe (fibergauge-probe enrol) and give its folder by --identity")}
		case dir == "":
			return []Finding{notAsked("identity", "", "not asked: --identity is absent")}
		case !byTLS:
			key, err := identity.ReadSigningKey(dir)
			if err != nil {
				return []Finding{unusable(err)}
			}
			return []Finding{signing(key)}
		case site == "":
			return []Finding{notAsked("identity", "", "not asked: --site is absent")}
		}
		id, err := identity.Read(dir, site)
		if err != nil {
			return []Finding{unusable(err)}
		}
		return []Finding{ownCertificate(id, now()), signing(id.Signing), renewal(dir, id)}
	}
}

// unusable makes a finding of an error, which says what to do behind its
// semicolon.
func unusable(err error) Finding {
	text, do, more := strings.Cut(err.Error(), "; ")
	if !more {
		do = "put a good identity there, or enrol this probe (fibergauge-probe enrol)"
	}
	return found("identity", "", "%s", text).but(StatusFailed, "%s", do)
}

// ownCertificate tells how long the certificate is good. The probe renews it
// when a third of its life is left: below a quarter that has not worked.
func ownCertificate(id *identity.Identity, now time.Time) Finding {
	own := id.Certificate.Leaf
	left, life := own.NotAfter.Sub(now), own.NotAfter.Sub(own.NotBefore)
	days := int64(left / (24 * time.Hour))
	f := found("identity", "", "site %s, certified by %q; ends in %s, on %s; its key fits and is nobody else's to read",
		id.Site, own.Issuer.CommonName, cli.Count(int(days), "day"), own.NotAfter.UTC().Format(time.DateOnly)).with("days_left", days)
	if err := id.InForce(now); err != nil {
		text, do, _ := strings.Cut(err.Error(), ": ")
		f.Text = text
		return f.but(StatusFailed, "%s", do)
	}
	if left < life/4 {
		return f.but(StatusWarning, "see in the probe's log why it was not renewed; when it ends, windows only wait in the spool")
	}
	return f
}

func signing(key ed25519.PrivateKey) Finding {
	if key == nil {
		return found("identity", "signing", "there is no signing key: windows are not signed").
			but(StatusWarning, "enrol this probe (fibergauge-probe enrol): a collector with TLS takes no others, unless told to")
	}
	return found("identity", "signing", "windows are signed by key %s", wire.KeyID(key.Public().(ed25519.PublicKey)))
}

// renewal looks whether a new certificate could be put into the folder.
func renewal(dir string, id *identity.Identity) Finding {
	if id.Signing == nil {
		return notAsked("identity", "renewal", "not enrolled here: whoever put the certificate there renews it")
	}
	trial, err := os.CreateTemp(dir, ".fibergauge-doctor-*")
	if err == nil {
		err = errors.Join(trial.Close(), os.Remove(trial.Name()))
	}
	if err != nil {
		var plain *os.PathError
		if errors.As(err, &plain) {
			err = plain.Err // without the name that was tried
		}
		return found("identity", "renewal", "%s cannot be written: %v", dir, err).
			but(StatusWarning, "let the probe's account write there, or run this as that account: it puts the next certificate there")
	}
	return found("identity", "renewal", "the next certificate can be put into %s", dir)
}
