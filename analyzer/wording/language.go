// Package wording is all that reports say in words, in every language that
// they come in. What a text is about decides where it stands; each text stands
// there once, with its translations beside it (Text), so that a translator sees
// what belongs together:
//
//	reason.go, diagnosis.go   why a verdict is as it is: the codes of package api
//	names.go                  verdicts, planes, statistics, origins, classes, roles
//	headings.go               title, sections, heads of columns
//	headline.go               the result in a few sentences
//	method.go                 what is measured and against what, and how it is judged
//	doubt.go                  how sure it is, and where doubt comes from
//	quality.go                what is to be known of the data
//	warnings.go               what must not be overlooked
//	figures.go                captions of figures, and words within
//	recompute.go              how to get the same figures
//	revisions.go              what a revision of a report changed
//	portal.go                 what the pages of the portal say besides
//	format.go                 numbers, lists, dates
//
// To add a sentence: write a function there that takes what the sentence needs
// and returns say(lang, Text{…}, values{…}). The tests find it by themselves:
// they hold all texts of the package against each other, for placeholders that
// one language lacks, for values that nobody gives, and for punctuation.
package wording

import "fmt"

// Language is one in which there are reports.
type Language string

// Languages, by ISO 639-1.
const (
	EN Language = "en"
	ZH Language = "zh" // simplified characters
)

// Languages are all of them.
func Languages() []Language { return []Language{EN, ZH} }

// ParseLanguage reads what a person gives.
func ParseLanguage(s string) (Language, error) {
	switch lang := Language(s); lang {
	case EN, ZH:
		return lang, nil
	}
	return "", fmt.Errorf("language %.40q is not known; give en (English) or zh (Chinese)", s)
}

// Tag is the language as documents name it (BCP 47).
func (l Language) Tag() string {
	if l == ZH {
		return "zh-Hans"
	}
	return "en"
}

// Name is what the language calls itself.
func (l Language) Name() string { return Text{EN: "English", ZH: "中文"}.In(l) }
