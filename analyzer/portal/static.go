package portal

import (
	"crypto/sha256"
	_ "embed" // the files
	"encoding/hex"
	"strings"
	"sync"

	"github.com/fibergauge/fibergauge/analyzer/publish/webpage"
)

//go:embed portal.css
var style string

//go:embed portal.js
var script string

//go:embed favicon.svg
var icon string

// File is something that pages refer to. It tells nothing of anybody, so that
// strangers may have it, and never changes under its path.
type File struct {
	Path, Kind string
	Data       []byte
	Forever    bool // the path has the hash of the data
}

// Files are all of them, by path.
var Files = sync.OnceValue(func() map[string]File {
	all := map[string]File{}
	for _, f := range []File{
		{CSSPath(), "text/css; charset=utf-8", []byte(sheet()), true},
		{JSPath(), "text/javascript; charset=utf-8", []byte(script), true},
		{"/favicon.svg", "image/svg+xml", []byte(icon), false},
	} {
		all[f.Path] = f
	}
	return all
})

// sheet is what the filed page looks like, and what the site has besides.
func sheet() string { return webpage.CSS() + style }

// CSSPath is where the style sheet is.
var CSSPath = sync.OnceValue(func() string { return hashed("portal", "css", sheet()) })

// JSPath is where the script is.
var JSPath = sync.OnceValue(func() string { return hashed("portal", "js", script) })

func hashed(name, kind, data string) string {
	sum := sha256.Sum256([]byte(data))
	return "/static/" + strings.Join([]string{name, hex.EncodeToString(sum[:8]), kind}, ".")
}
