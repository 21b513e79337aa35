package alert

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"rootguard/internal/lazyre"
)

// Display makes text from a log, or text that may hold some, safe to show to a
// person on one line of at most limit runes. Control characters and invisible ones
// are written as escapes, and what a mail reader, chat client or phone would turn
// into a link or a call is defanged: see the package documentation. Displaying what
// is displayed changes nothing.
func Display(s string, limit int) string { return display(s, limit) }

// DisplayOrigin is Display for the source address of a record: whole where it is an
// address or the name of an AWS service.
func DisplayOrigin(s string, limit int) string { return origin(s, limit) }

func display(s string, limit int) string {
	s = clean(narrow(head(s, 4*limit+4)), 4*limit+4)
	for room := limit; ; {
		out := defang(cut(s, room))
		over := utf8.RuneCountInString(out) - limit
		if over <= 0 {
			return out
		}
		room -= over
	}
}

// origin is the source address of a record: whole where it is an address or the
// name of an AWS service, displayed where it is anything else.
func origin(s string, limit int) string {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return ip.String()
	}
	return display(s, limit)
}

// narrow writes characters in ASCII that many readers take for it: full-width ones,
// and those that count as the dot or the at sign of an address (UTS #46, "Mapping").
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0xff01 && r <= 0xff5e:
			return r - 0xfee0
		case r == 0x3002, r == 0xff61, r == 0x2024, r == 0xfe52:
			return '.'
		case r == 0xfe6b:
			return '@'
		case r == 0xfe55, r == 0xa789, r == 0x2236:
			return ':'
		default:
			return r
		}
	}, s)
}

// schemes begin what programs open without "//".
var schemes = lazyre.New(`(?i)\b(mailto|tel|callto|skype|facetime|sip|sips|xmpp|javascript|vbscript|data|file|blob|ms-[a-z]+):`)

// shares are paths to a server's share, which Outlook links.
var shares = lazyre.New(`\\\\+`)

// Numbers that phones offer to call: one with a country code, one as North America
// writes it, and one of ten or eleven digits that stands alone.
var (
	dialed  = lazyre.New(`\+[\s(.]*[0-9][0-9\s().\p{Pd}/]{5,}[0-9]`)
	grouped = lazyre.New(`(^|[^\w.+\p{Pd}/:])((?:1[\s.\p{Pd}/]?)?\(?[0-9]{3}\)?[\s.\p{Pd}/]{0,2}[0-9]{3}[\s.\p{Pd}/][0-9]{4})\b`)
	alone   = lazyre.New(`(^|[\s,(])([0-9]{10,11})($|[\s,.;)])`)
	digits3 = lazyre.New(`[0-9]{1,3}`)
)

// defang breaks what could become a link, in a way that is plain to see and can be
// undone by eye: "[.]", "[@]", "[:]", "[-]". s is clean.
func defang(s string) string {
	s = strings.ReplaceAll(s, "://", "[:]//")
	s = schemes().ReplaceAllString(s, "$1[:]")
	s = shares().ReplaceAllString(s, `\`)
	s = ats(s)
	s = hosts(s)
	s = dialed().ReplaceAllStringFunc(s, undial)
	for _, number := range []*regexp.Regexp{grouped(), alone()} {
		for number.MatchString(s) { // neighbors share what is between them
			s = number.ReplaceAllStringFunc(s, func(m string) string {
				part := number.FindStringSubmatch(m)
				return part[1] + undial(part[2]) + m[len(part[1])+len(part[2]):]
			})
		}
	}
	return s
}

// undial writes a number in groups of at most three digits with "[-]" between them.
func undial(number string) string {
	front := ""
	if strings.HasPrefix(number, "+") {
		front = "[+]"
	}
	return front + strings.Join(digits3().FindAllString(strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return ' '
		}
		return r
	}, number), -1), "[-]")
}

// ats writes each "@" as "[@]".
func ats(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '@' && (i == 0 || s[i-1] != '[' || i+1 == len(s) || s[i+1] != ']') {
			b.WriteString("[@]")
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hosts writes the dots of what may be a host as "[.]".
func hosts(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := run(s[i:])
		if n == 0 {
			_, size := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+size])
			i += size
			continue
		}
		word := strings.TrimRight(s[i:i+n], ".") // a sentence may end here
		if n = len(word); n == 0 {
			n = run(s[i:])
			word = s[i : i+n]
		} else if linkable(word, s[:i], strings.TrimLeft(s[i+n:], ".")) {
			word = strings.ReplaceAll(word, ".", "[.]")
		}
		b.WriteString(word)
		i += n
	}
	return b.String()
}

// run is how many bytes at the beginning of s can be a host with its dots.
func run(s string) int {
	for i, r := range s {
		if r != '.' && r != '-' && r != '_' && !unicode.In(r, unicode.L, unicode.Nd, unicode.M) {
			return i
		}
	}
	return len(s)
}

// linkable reports whether a word may become a link, by itself or by what is
// before and after it.
func linkable(word, before, after string) bool {
	labels := strings.Split(word, ".")
	if len(labels) == 1 {
		return false
	}
	if service(word) && !strings.HasSuffix(before, "/") && !strings.HasSuffix(before, "]") &&
		(after == "" || !strings.ContainsAny(after[:1], "/:?#")) {
		return false
	}
	if strings.EqualFold(labels[0], "www") {
		return true
	}
	for i := 1; i < len(labels); i++ {
		switch {
		case labels[i-1] == "":
		case topLevel(labels[i]):
			return true
		case i >= 3 && octets(labels[i-3:i+1]):
			return true
		}
	}
	last := strings.Trim(strings.Join(labels[1:], ""), ".")
	named := strings.ContainsFunc(last, unicode.IsLetter)
	attached := strings.HasSuffix(before, "[@]") || strings.HasSuffix(before, "//") || after != "" && strings.ContainsAny(after[:1], "/:?#")
	return named && attached
}

// topLevel reports whether a label is a top level domain, or may be one in another
// script. Punycode counts, whatever it spells.
func topLevel(label string) bool {
	label = strings.Trim(label, "-_")
	first, _ := utf8.DecodeRuneInString(label)
	if len(label) < 2 || !unicode.IsLetter(first) {
		return false
	}
	for _, r := range label {
		if r > unicode.MaxASCII {
			return true
		}
	}
	label = strings.ToLower(label)
	if strings.HasPrefix(label, "xn--") {
		return true
	}
	// Some readers end a name at a hyphen.
	name, _, _ := strings.Cut(label, "-")
	return delegated(name)
}

// delegated reports whether there is such a top level domain.
func delegated(label string) bool {
	if label == "" {
		return false
	}
	_, known := publicsuffix.PublicSuffix("a.b." + label)
	return known
}

// octets reports whether labels may be those of an IPv4 address. Readers differ in
// what they make of leading zeros and of numbers beyond 255.
func octets(labels []string) bool {
	for _, l := range labels {
		if len(l) == 0 || len(l) > 3 || strings.Trim(l, "0123456789") != "" {
			return false
		}
	}
	return true
}

var serviceName = lazyre.New(`^[a-z][a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?$`)

// service reports whether a host is the name of an AWS service as records have it
// ("cloudformation.amazonaws.com"): one label, below which AWS lets no customer
// name anything.
func service(host string) bool { return serviceName().MatchString(host) }
