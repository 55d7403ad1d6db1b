package serve

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// A reader has two answers at a time that read the store, and is told so if they
// want more; others are served meanwhile.
func TestTurnsOfOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC))) // what is to come has no series
		s, _, tokens, _ := guarded(t)
		leave := make(chan struct{})
		s.Store = slow{s.Store, leave}
		handler := s.Handler(t.Context())
		ask := func(who, target string) *httptest.ResponseRecorder {
			request := httptest.NewRequest("GET", target, nil)
			request.Header.Set("Authorization", "Bearer "+tokens[who])
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			return response
		}
		const series, windows = SeriesPath + "?a=a&b=b&period=2025-06-03", WindowsPath + "?period=2025-06-03"
		codes := make(chan int, 4)
		for _, target := range []string{series, windows} {
			go func() { codes <- ask("one", target).Code }()
			synctest.Wait()
		}
		for _, target := range []string{series, windows} {
			if r := ask("one", target); r.Code != 429 || r.Header().Get("Retry-After") == "" {
				t.Errorf("%s: %d", target, r.Code)
			}
		}
		go func() { codes <- ask("two", windows).Code }()
		synctest.Wait()
		close(leave)
		for range 3 {
			if code := <-codes; code != 200 {
				t.Errorf("who had a turn got %d", code)
			}
		}
		if r := ask("one", windows); r.Code != 200 {
			t.Errorf("after them: %d", r.Code)
		}
	})
}

// taker is a reader who takes nothing until they may.
type taker struct {
	*httptest.ResponseRecorder
	asked chan<- struct{}
	may   <-chan struct{}
}

func (t taker) Write(p []byte) (int, error) {
	t.asked <- struct{}{}
	<-t.may
	return t.ResponseRecorder.Write(p)
}

// Readers who do not take what they asked for keep nobody from theirs.
func TestSlowReadersKeepNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)))
		s, _, tokens, _ := guarded(t)
		handler := s.Handler(t.Context())
		request := func(who, target string) *http.Request {
			r := httptest.NewRequest("GET", target, nil)
			r.Header.Set("Authorization", "Bearer "+tokens[who])
			return r
		}
		const series, windows = SeriesPath + "?a=a&b=b&period=2025-06-03", WindowsPath + "?period=2025-06-03"
		asked, may := make(chan struct{}), make(chan struct{})
		codes := make(chan int)
		for _, who := range []string{"one", "two", "both"} {
			for _, target := range []string{series, windows} {
				go func() {
					slow := taker{httptest.NewRecorder(), asked, may}
					handler.ServeHTTP(slow, request(who, target))
					codes <- slow.Code
				}()
				<-asked
			}
		}
		for _, target := range []string{series, windows} {
			response := httptest.NewRecorder()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			handler.ServeHTTP(response, request("regulator", target).WithContext(ctx))
			if cancel(); response.Code != 200 || response.Body.Len() == 0 {
				t.Errorf("%s beside six slow readers: %d, %d bytes", target, response.Code, response.Body.Len())
			}
			response = httptest.NewRecorder()
			if handler.ServeHTTP(response, request("one", target)); response.Code != 429 {
				t.Errorf("%s, a third one of a slow reader: %d", target, response.Code)
			}
		}
		close(may)
		for range 6 {
			if code := <-codes; code != 200 {
				t.Errorf("a slow reader got %d", code)
			}
		}
	})
}

// A reader who opens the pages of many pairs reads the days of two at a time, and
// is shown the others when their turn comes.
func TestPairPagesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2025, 7, 2, 0, 0, 0, 0, time.UTC)))
		s := month(t)
		other, _, tokens, _ := guarded(t)
		s.Readers = other.Readers
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		made := s.shelf(ctx)
		handler := s.handler(made)
		ask := func(who, target string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", target, nil)
			r.Header.Set("Authorization", "Bearer "+tokens[who])
			r.Header.Set("Accept", "text/html")
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, r)
			return response
		}
		const months = "/months/2025-06"
		if r := ask("regulator", months); r.Code != 200 { // makes the report
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		leave := make(chan struct{})
		s.Store = slow{s.Store, leave}
		codes := make(chan int)
		for _, pair := range []string{"/pairs/a/b", "/pairs/a/c"} {
			go func() { codes <- ask("one", months+pair).Code }()
			synctest.Wait()
		}
		if r := ask("one", months+"/pairs/b/c"); r.Code != 429 || r.Header().Get("Refresh") == "" {
			t.Errorf("a third page: %d %v", r.Code, r.Header())
		}
		go func() { codes <- ask("regulator", months+"/pairs/b/c").Code }()
		synctest.Wait()
		close(leave)
		for range 3 {
			if code := <-codes; code != 200 {
				t.Errorf("who had a turn got %d", code)
			}
		}
		if r := ask("one", months+"/pairs/b/c"); r.Code != 200 {
			t.Errorf("the third page after them: %d", r.Code)
		}
		cancel()
		made.Wait()
	})
}

// A reader has two files laid out or waiting at a time, so that a crowd of PDFs
// does not stand before everybody else's.
func TestLayoutsOfOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		one, two := &readers.Reader{Name: "one"}, &readers.Reader{Name: "two"}
		leave := make(chan struct{})
		done := make(chan error)
		lay := func(reader *readers.Reader) {
			go func() {
				_, err := turns.layout(reader, func() ([]byte, error) { <-leave; return nil, nil })
				done <- err
			}()
			synctest.Wait()
		}
		lay(one)
		lay(one)
		lay(one)
		if err := <-done; !errors.Is(err, shelf.ErrBusy) {
			t.Errorf("a third one: %v", err)
		}
		lay(two)
		lay(&readers.Reader{})
		lay(&readers.Reader{})
		lay(&readers.Reader{}) // who has no name is not counted
		close(leave)
		for range 6 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if len(turns.each) != 0 {
			t.Errorf("left behind: %v", turns.each)
		}
	})
}
