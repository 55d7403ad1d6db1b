package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fibergauge/fibergauge/analyzer/portal"
	"github.com/fibergauge/fibergauge/mesh"
)

// tab is a page of a real browser.
type tab struct {
	t       *testing.T
	ctx     context.Context
	base    string // of the server
	mu      sync.Mutex
	trouble []string // what the browser complained of
}

// chromium starts a browser with a profile of its own, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: a browser takes long")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("SKIPPED: there is no chromium here; scripts/prepare installs it")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU)
	if os.Geteuid() == 0 { // its sandbox does not run as root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute) // a browser that hangs is to fail, not to hang the tests
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// openTab begins a tab at a server.
func openTab(t *testing.T, ctx context.Context, s *Server) *tab {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s.Handler(t.Context()))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	b := &tab{t: t, ctx: ctx, base: server.URL}
	err = chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError {
				b.complain(e.Entry.Text + " " + e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			b.complain(fmt.Sprintf("%+v", e.ExceptionDetails))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(b, cdplog.Enable, cdp.Empty{})
	return b
}

func (b *tab) complain(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = append(b.trouble, what)
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) visit(target string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.base+target), chromedp.WaitReady(chromedp.CSS("main")))
}

// get gives what the browser answers.
func get[T any](b *tab, ask chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, ask)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func eval[T any](b *tab, script string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// call gives the browser a command of its protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) size(width int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 1000, DeviceScaleFactor: 1, Mobile: width < 500})
}

func (b *tab) media(media, scheme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// quiet fails if the browser complained, of a style that the
// Content-Security-Policy refuses, say.
func (b *tab) quiet(at string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.trouble {
		b.t.Errorf("%s: the browser says: %s", at, what)
	}
	b.trouble = nil
}

func (b *tab) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = nil
}

// login by keyboard alone, the field for the token being where one is at first.
func (b *tab) login(token string) {
	b.t.Helper()
	b.visit("/login")
	if id := eval[string](b, "document.activeElement.id"); id != "token" {
		b.t.Fatalf("the login begins at %q", id)
	}
	b.run(chromedp.KeyEvent(token), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS(".leave button")))
}

// regulated is the month with readers, and the token of the regulator.
func regulated(t *testing.T) (*Server, string) {
	t.Helper()
	s := month(t)
	g, _, tokens, _ := guarded(t)
	s.Readers = g.Readers
	return s, tokens["regulator"]
}

func withLanguage(target, lang string) string {
	if strings.Contains(target, "?") {
		return target + "&lang=" + lang
	}
	return target + "?lang=" + lang
}

// axe is the script of axe-core; empty where it is not to be had.
var axe = sync.OnceValue(func() string {
	path, err := exec.Command("../../scripts/peers", "path", "axe-core").Output()
	if err != nil {
		return ""
	}
	script, err := os.ReadFile(strings.TrimSpace(string(path)))
	if err != nil {
		return ""
	}
	return string(script)
})

// violation is what axe-core finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

// accessible fails for all that axe-core finds, be it moderate.
func (b *tab) accessible(at string) {
	b.t.Helper()
	eval[any](b, axe()+";null")
	for _, v := range eval[[]violation](b, "axe.run().then(r => r.violations)") {
		node := ""
		if len(v.Nodes) > 0 {
			node = v.Nodes[0].HTML + "\n" + v.Nodes[0].FailureSummary
		}
		b.t.Errorf("%s: %s, %s: %s: %s", at, v.Impact, v.ID, v.Help, node)
	}
}

// Every page in both languages, narrow and wide, light and dark: nothing is
// wider than the window, the browser refuses nothing, axe-core finds
// nothing.
func TestBrowserPages(t *testing.T) {
	ctx := chromium(t)
	s, token := regulated(t)
	b := openTab(t, ctx, s)
	if axe() == "" {
		t.Log("NOT CHECKED: axe-core is not to be had (scripts/peers says why), so accessibility is checked by nothing here")
	}
	pages := []string{"/login"}
	for target := range pagePaths() {
		pages = append(pages, target)
	}
	pages = append(pages, "/nothing")
	slices.Sort(pages)
	for _, signedIn := range []bool{false, true} {
		if signedIn {
			b.login(token)
		}
		for _, target := range pages {
			if signedIn == (target == "/login") {
				continue
			}
			for i, look := range []struct {
				lang, scheme string
				width        int64
			}{{"en", "light", 400}, {"zh", "dark", 400}, {"en", "dark", 1280}, {"zh", "light", 2560}} {
				at := fmt.Sprintf("%s, %s, %s, %d px", target, look.lang, look.scheme, look.width)
				b.media("", look.scheme)
				b.size(look.width)
				b.visit(withLanguage(target, look.lang))
				if target == "/nothing" { // a browser calls the status an error
					b.forget()
				}
				b.quiet(at)
				if wide := eval[[2]int](b, "[document.documentElement.scrollWidth, window.innerWidth]"); wide[0] > wide[1] || int64(wide[1]) != look.width {
					t.Errorf("%s: the page is %d px wide in a window of %d", at, wide[0], wide[1])
				}
				if dark := eval[string](b, "getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"; dark != (look.scheme == "dark") {
					t.Errorf("%s: dark is %t", at, dark)
				}
				if axe() != "" && i%2 == 1 { // dark and light
					b.accessible(at)
				}
				b.save(at)
			}
		}
	}
}

// Names that are long, and have no place to break, widen no page.
func TestBrowserLongNames(t *testing.T) {
	ctx := chromium(t)
	s := month(t)
	long, err := mesh.Parse("mesh.yaml", []byte(strings.NewReplacer(
		"en: Alpha", "en: "+strings.Repeat("Donaudampfschiff", 8), "zq-one-a", "zq-one-a"+strings.Repeat("-and-so-on", 4), "name: scenario", "name: "+strings.Repeat("scenario", 8),
	).Replace(string(s.Mesh.Bytes()))))
	if err != nil {
		t.Fatal(err)
	}
	s.Mesh = long
	b := openTab(t, ctx, s)
	b.size(400)
	for target := range pagePaths() {
		b.visit(target)
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 400 {
			t.Errorf("%s is %d px wide", target, wide)
		}
		b.save("long " + target)
	}
}

// save keeps a picture of the whole page, for people to look at, if
// FIBERGAUGE_SHOTS names a folder.
func (b *tab) save(at string) {
	folder := os.Getenv("FIBERGAUGE_SHOTS")
	if folder == "" {
		return
	}
	data := get(b, chromedp.FullScreenshot(100))
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("/?&=, ", r) {
			return '_'
		}
		return r
	}, at)
	if err := os.WriteFile(filepath.Join(folder, name+".png"), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Whoever has a keyboard only logs in, jumps over the navigation, and reaches all
// that can be reached, and sees where they are.
func TestBrowserKeyboard(t *testing.T) {
	ctx := chromium(t)
	s, token := regulated(t)
	b := openTab(t, ctx, s)
	b.size(1280)
	b.login(token)
	for _, target := range []string{"/months", "/months/2025-06", "/months/2025-06/pairs/a/b"} {
		b.visit(target)
		b.run(chromedp.KeyEvent(kb.Tab))
		if first := eval[string](b, "document.activeElement.className"); first != "skip" {
			t.Errorf("%s: the first stop is %q", target, first)
		}
		b.run(chromedp.KeyEvent(kb.Enter))
		if id := eval[string](b, "document.activeElement.id"); id != "content" {
			t.Errorf("%s: the skip link leads to %q", target, id)
		}
		b.visit(target)
		total := eval[int](b, `(window.stops = Array.from(document.querySelectorAll("a[href],button,input:not([type=hidden]),summary,[tabindex='0']")).filter(e => e.checkVisibility()), window.reached = new Set(), stops.length)`)
		for range total {
			b.run(chromedp.KeyEvent(kb.Tab))
			if unseen := eval[string](b, `(() => { const e = document.activeElement; reached.add(e); const o = getComputedStyle(e); return o.outlineStyle === "none" || parseFloat(o.outlineWidth) < 2 ? e.outerHTML.slice(0, 200) : "" })()`); unseen != "" {
				t.Errorf("%s: nobody sees that the focus is on %s", target, unseen)
			}
		}
		if missed := eval[[]string](b, `stops.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 200))`); len(missed) > 0 {
			t.Errorf("%s: of %d stops the keyboard does not reach %q", target, total, missed)
		}
	}
	b.quiet("keyboard")
	// Log out from the keyboard, too.
	b.run(chromedp.Focus(chromedp.CSS(".leave button")), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("#token")))
}

// Without JavaScript everything is there but sorting and filtering, and the
// login works.
func TestBrowserWithoutScript(t *testing.T) {
	ctx := chromium(t)
	s, token := regulated(t)
	b := openTab(t, ctx, s)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.run(
		chromedp.Navigate(b.base+"/months/2025-06?plane=optical"), chromedp.WaitReady(chromedp.CSS("#token")),
		chromedp.SendKeys(chromedp.CSS("#token"), token+kb.Enter), chromedp.WaitReady(chromedp.CSS("#pairs-heading")),
	)
	if place := get(b, chromedp.Location()); place != b.base+"/months/2025-06?plane=optical" {
		t.Errorf("the login leads to %s", place)
	}
	for target, want := range pagePaths() {
		b.run(chromedp.Navigate(b.base+target), chromedp.WaitReady(chromedp.CSS("main")))
		body := get(b, chromedp.OuterHTML(chromedp.CSS("html")))
		if !strings.Contains(body, want) || strings.Contains(body, "<th scope=\"col\"><button") {
			t.Errorf("%s without a script: no %q, or a script ran", target, want)
		}
	}
}

// Tables can be sorted and filtered.
func TestBrowserTables(t *testing.T) {
	ctx := chromium(t)
	b := openTab(t, ctx, month(t))
	b.visit("/months/2025-06?lang=en")
	column := func() []string {
		return eval[[]string](b, `Array.from(document.querySelectorAll("#table-sensitivity tbody tr:not([hidden])"), r => r.cells[3].textContent)`)
	}
	before := column()
	const head = "#table-sensitivity th:nth-child(4) button"
	b.run(chromedp.Click(chromedp.CSS(head)))
	up := column()
	b.run(chromedp.Click(chromedp.CSS(head)))
	down := column()
	slices.Reverse(down)
	if !slices.IsSorted(up) || slices.Equal(before, up) || !slices.Equal(up, down) {
		t.Errorf("not sorted: before %v, up %v, down %v", before, up, down)
	}
	if sorted := eval[string](b, `document.querySelector("#table-sensitivity th:nth-child(4)").getAttribute("aria-sort")`); sorted != "descending" {
		t.Errorf("aria-sort is %q", sorted)
	}
	b.run(chromedp.SendKeys(chromedp.CSS("#table-sensitivity-filter"), "median"))
	if n := len(column()); n != 0 {
		t.Errorf("%d rows have a word that none has", n)
	}
	if shown := eval[bool](b, `!document.querySelector("#table-sensitivity-box [role=status]").hidden`); !shown {
		t.Error("nobody is told that no row is left")
	}
	b.run(chromedp.SendKeys(chromedp.CSS("#table-sensitivity-filter"), strings.Repeat(kb.Backspace, len("median"))+"99TH"))
	if n := len(column()); n == 0 || n >= len(before) {
		t.Errorf("%d of %d rows after filtering", n, len(before))
	}
	b.quiet("tables")
}

// Each form is saved by a click.
func TestBrowserDownloads(t *testing.T) {
	ctx := chromium(t)
	s, token := regulated(t)
	b := openTab(t, ctx, s)
	b.login(token)
	folder := t.TempDir()
	ended := make(chan string, 1)
	names := map[string]string{}
	err := chromedp.ListenBrowser(ctx, func(event any) {
		switch e := event.(type) {
		case *browser.EventDownloadWillBegin:
			b.mu.Lock()
			names[e.GUID] = e.SuggestedFilename
			b.mu.Unlock()
		case *browser.EventDownloadProgress:
			if e.State != browser.DownloadProgressStateInProgress {
				ended <- e.GUID
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	events := true
	if _, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: folder, EventsEnabled: &events,
	}); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"en", "zh"} {
		b.visit("/months/2025-06?lang=" + lang)
		for _, form := range portal.Forms() {
			b.run(chromedp.Click(chromedp.CSS(fmt.Sprintf(`#downloads a[href*="report.%s"]`, form))))
			var id string
			select {
			case id = <-ended:
			case <-ctx.Done():
				t.Fatalf("%s in %s was not saved", form, lang)
			}
			data, err := os.ReadFile(filepath.Join(folder, id))
			if err != nil {
				t.Fatal(err)
			}
			beginnings := map[string]string{"pdf": "%PDF-", "xlsx": "PK", "html": "<!DOCTYPE html>", "json": "{"}
			if !bytes.HasPrefix(data, []byte(beginnings[form])) || len(data) < 500 {
				t.Errorf("%s in %s: %d bytes that begin with %q", form, lang, len(data), data[:min(len(data), 20)])
			}
			b.mu.Lock()
			if !strings.HasSuffix(names[id], "."+form) {
				t.Errorf("%s in %s is saved as %q", form, lang, names[id])
			}
			b.mu.Unlock()
			if form == "json" && !json.Valid(data) {
				t.Error("JSON that is none")
			}
		}
	}
	b.quiet("downloads")
}

// What is printed is on white, without navigation.
func TestBrowserPrint(t *testing.T) {
	ctx := chromium(t)
	b := openTab(t, ctx, month(t))
	b.media("print", "dark")
	b.visit("/months/2025-06/pairs/a/b")
	for selector, want := range map[string]string{".bar": "none", ".choice": "none", "main": "block"} {
		if got := eval[string](b, fmt.Sprintf("getComputedStyle(document.querySelector(%q)).display", selector)); got != want {
			t.Errorf("%s is printed as %q, want %q", selector, got, want)
		}
	}
	if colour := eval[string](b, "getComputedStyle(document.body).backgroundColor"); colour != "rgb(255, 255, 255)" {
		t.Errorf("printed on %s", colour)
	}
	printed := get(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
	if !bytes.HasPrefix(printed, []byte("%PDF-")) {
		t.Errorf("printed is %.20q", printed)
	}
	if folder := os.Getenv("FIBERGAUGE_SHOTS"); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, "print.pdf"), printed, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
