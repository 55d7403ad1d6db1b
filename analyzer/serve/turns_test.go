package serve

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// A reader has two answers at a time that read the store, and is told so if they
// want more; others are served meanwhile.
func TestTurnsOfOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC))) // what is to come has no series
		s, _, tokens, _ := guarded(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		s.Store = slow{s.Store, entered, leave}
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
			<-entered
		}
		for _, target := range []string{series, windows} {
			if r := ask("one", target); r.Code != 429 || r.Header().Get("Retry-After") == "" {
				t.Errorf("%s: %d", target, r.Code)
			}
		}
		go func() { codes <- ask("two", windows).Code }()
		<-entered
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
