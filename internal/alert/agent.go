package alert

import "strings"

// browsers in the order in which their marks decide: those built on another
// browser carry its mark too.
var browsers = []struct{ mark, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "headless Chrome"}, {"Chrome/", "Chrome"},
	{"Version/", "Safari"},
}

// systems in the order in which their marks decide: an iPhone claims Mac OS X,
// Android claims Linux.
var systems = []struct{ mark, name string }{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// agent shortens a user agent to what a person asks of it: "Edge 134 on
// Windows" of a browser, the first products of anything else.
func agent(ua string) string {
	ua = strings.TrimSuffix(strings.TrimPrefix(head(ua, 1024), "["), "]")
	if strings.HasPrefix(ua, "Mozilla/") {
		for _, b := range browsers {
			_, after, ok := strings.Cut(ua, b.mark)
			if !ok {
				continue
			}
			short := b.name
			if major := after[:digits(after)]; major != "" {
				short += " " + major
			}
			for _, s := range systems {
				if strings.Contains(ua, s.mark) {
					return short + " on " + s.name
				}
			}
			return short
		}
	}
	short := clean(ua, 60)
	if words, cutOff := strings.CutSuffix(short, "..."); cutOff {
		if i := strings.LastIndexByte(words, ' '); i > 0 {
			short = words[:i] + " ..."
		}
	}
	return short
}

// digits counts the digits that begin s, at most 4.
func digits(s string) int {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
