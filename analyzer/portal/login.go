package portal

import "github.com/fibergauge/fibergauge/analyzer/wording"

// LoginPath is where the form is, and where it is sent.
const LoginPath = "/login"

// Login is the page with the form. next is the path to go on to, seal what
// shows that the form is ours; refused says why the last try failed, or is
// empty.
func Login(lang wording.Language, next, seal, refused string) (Content, error) {
	title := wording.Word(lang, wording.SignLogIn)
	main, err := execute("login.html", lang, map[string]any{"Title": title, "Action": LoginPath, "Next": next, "Seal": seal, "Refused": refused})
	return Content{title, main}, err
}

// Refusal is the page that says why there is none. detail is for people who ask
// by hand, in English, or empty.
func Refusal(lang wording.Language, status int, detail string) (Content, error) {
	title, explained := wording.Refusal(lang, status)
	main, err := execute("refusal.html", lang, map[string]any{"Title": title, "Text": explained, "Detail": detail})
	return Content{title, main}, err
}

// Empty is the page of a store without data, in place of the one that the sign
// names.
func Empty(lang wording.Language, of wording.Sign) (Content, error) {
	title := wording.Word(lang, of)
	main, err := execute("months.html", lang, map[string]any{"Title": title})
	return Content{title, main}, err
}
