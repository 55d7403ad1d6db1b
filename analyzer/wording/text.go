package wording

import "strings"

// Text is one text in every language. A word in braces stands for a value:
//
//	{total}                   the value of that name
//	{total:pair|pairs}        the first if that value is 1, else the second
//
// Each language has the same names. Numbers stand in no text: they are values,
// so that they are the same in each, and those of the policy.
type Text struct{ EN, ZH string }

// In is the text in one language, its names not replaced.
func (t Text) In(lang Language) string {
	if lang == ZH {
		return t.ZH
	}
	return t.EN
}

// values are what stands for the names of a text.
type values map[string]string

// say is a text with its values. A name without one stays in its braces: better
// seen than a gap that reads like a sentence.
func say(lang Language, t Text, v values) string {
	return fill(t.In(lang), func(name string) string {
		if value, ok := v[name]; ok {
			return value
		}
		return "{" + name + "}"
	})
}

// fill puts values in place of names. What a value has in braces stays.
func fill(text string, value func(name string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		inside, after, _ := strings.Cut(rest, "}")
		name, forms, chosen := strings.Cut(inside, ":")
		if !chosen {
			b.WriteString(value(name))
		} else if one, many, _ := strings.Cut(forms, "|"); value(name) == "1" {
			b.WriteString(one)
		} else {
			b.WriteString(many)
		}
		text = after
	}
}
