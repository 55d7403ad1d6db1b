package frontend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a page of a real browser, on which one editor stands at a time.
type tab struct {
	t       *testing.T // that uses it now
	ctx     context.Context
	name    string // of the Grafana
	mu      sync.Mutex
	trouble []string // what the browser complained of
}

// tabs are opened once: a Grafana is 18 MB to bundle and to load.
var tabs = map[string]*tab{}

// closing is what ends with the last test, the last first.
var closing []func()

// each runs a test with the packages of the oldest and of the newest Grafana.
func each(t *testing.T, test func(t *testing.T, b *tab)) {
	for _, g := range grafanas {
		t.Run(g.name, func(t *testing.T) {
			if tabs[g.name] == nil {
				tabs[g.name] = open(t, g)
			}
			b := tabs[g.name]
			b.t = t
			eval[any](b, "harness.reset()")
			test(t, b)
		})
	}
}

func open(t *testing.T, g grafana) *tab {
	t.Helper()
	path := needs(t, "chromium", "chromium-browser", "google-chrome")
	server := httptest.NewServer(g.page(t))
	closing = append(closing, server.Close)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(folder(t)), chromedp.DisableGPU)
	if os.Geteuid() == 0 { // its sandbox does not run as root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := context.WithTimeout(context.Background(), 8*time.Minute) // a browser that hangs is to fail, not to hang the tests
	closing = append(closing, stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	closing = append(closing, stop)
	ctx, stop = chromedp.NewContext(ctx)
	closing = append(closing, stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	b := &tab{t: t, ctx: ctx, name: g.name}
	err := chromedp.Listen(ctx, func(event any) {
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
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: 300, DeviceScaleFactor: 1})
	b.run(chromedp.Navigate(server.URL), chromedp.WaitReady(chromedp.CSS("body")))
	if version := eval[string](b, "harness.react"); !strings.HasPrefix(version, g.react) {
		t.Fatalf("this is React %s, want %s", version, g.react)
	}
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

func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// call gives the browser a command of its protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// backend says what the back end of the plugin answers.
const backend = `Object.assign(harness.state, {
	failure: null,
	variables: {hub: ["a", "b"], carrier: "cn-north"},
	values: Object.fromEntries(["hubs", "clusters", "carriers", "planes", "pairs", "ends", "sites", "tests", "months"].map(
		kind => [kind, [1, 2, 3].map(n => ({text: kind + " number " + n, value: kind + "-" + n}))])),
})`

// show puts an editor on the page, and fails if it crashed or the browser
// complained.
func (b *tab) show(editor string, initial any, mode string) {
	b.t.Helper()
	value, err := json.Marshal(initial)
	if err != nil {
		b.t.Fatal(err)
	}
	eval[any](b, fmt.Sprintf("harness.show(%q, %s, %q)", editor, value, mode))
	b.settle()
	if crash := eval[string](b, "harness.state.crash"); crash != "" {
		b.t.Errorf("%s of %s crashes: %s", editor, value, crash)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.trouble {
		b.t.Errorf("%s of %s: the browser says: %s", editor, value, what)
	}
	b.trouble = nil
}

// settle waits until what was answered is drawn.
func (b *tab) settle() {
	b.t.Helper()
	eval[any](b, "new Promise(r => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(r), 20))).then(() => null)")
}

// text is what the reader reads.
func (b *tab) text() string {
	b.t.Helper()
	return eval[string](b, "document.querySelector('.stage').innerText")
}

// last is what the editor wrote last.
func (b *tab) last() map[string]any {
	b.t.Helper()
	return eval[map[string]any](b, "harness.state.changes.at(-1) ?? {}")
}

func (b *tab) typeInto(id, text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS(cssID(id)), text))
	b.settle()
}

// choose takes an option of a select by typing and Enter.
func (b *tab) choose(id, text string) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS(cssID(id))), chromedp.KeyEvent(kb.ArrowDown))
	b.settle()
	b.run(chromedp.KeyEvent(text))
	b.settle()
	b.run(chromedp.KeyEvent(kb.Enter))
	b.settle()
}

func cssID(id string) string { return `[id="` + id + `"]` }

// labels are the words before the fields, in their order.
func (b *tab) labels() []string {
	b.t.Helper()
	return eval[[]string](b, `Array.from(document.querySelectorAll(".stage label"), l => l.innerText.trim()).filter(Boolean)`)
}

// save keeps a picture of the page, for people to look at, if FIBERGAUGE_SHOTS
// names a folder.
func (b *tab) save(at string) {
	b.t.Helper()
	folder := os.Getenv("FIBERGAUGE_SHOTS")
	if folder == "" {
		return
	}
	time.Sleep(200 * time.Millisecond) // icons are drawn when they have come
	data, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, b.name+"-"+at+".png"), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
