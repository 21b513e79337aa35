package bootstrap

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"rootguard/internal/cloudtrail"
)

// holdings are the MFA devices, or the root access keys, that a principal has, as
// far as is known. The zero value knows nothing.
type holdings struct {
	named   map[string]struct{}
	unnamed int    // there, but no record says what they are called
	kind    string // of the unnamed ones, "" where it is not known
	known   bool   // there are no others
	live    bool   // a live check confirmed the present answer
	ev      Evidence
}

// any says whether there is at least one.
func (h *holdings) any() cloudtrail.Answer {
	switch {
	case len(h.named)+h.unnamed > 0:
		return cloudtrail.Yes
	case h.known:
		return cloudtrail.No
	default:
		return cloudtrail.Unknown
	}
}

// change applies what ev says and keeps ev where the answer is another one.
func (h *holdings) change(ev Evidence, live bool, apply func()) {
	was := h.any()
	apply()
	if h.any() != was {
		h.ev, h.live = ev, live
	}
	h.live = h.live || live
}

func (h *holdings) put(name string) {
	if name == "" {
		h.unnamed++
		h.kind = ""
		return
	}
	if h.named == nil {
		h.named = make(map[string]struct{})
	}
	h.named[name] = struct{}{}
}

func (h *holdings) clear() { h.named, h.unnamed = nil, 0 }

func (h *holdings) add(name string, ev Evidence) {
	h.change(ev, false, func() { h.put(name) })
}

// see records one in use, which may be one that had no name yet.
func (h *holdings) see(name string, ev Evidence) {
	h.change(ev, false, func() {
		if _, has := h.named[name]; !has && h.unnamed > 0 {
			h.unnamed--
		}
		h.put(name)
	})
}

// remove takes one away. After the last known one, noMore says whether there
// are known to be no others.
func (h *holdings) remove(name string, noMore bool, ev Evidence) {
	h.change(ev, false, func() {
		_, has := h.named[name]
		switch {
		case has:
			delete(h.named, name)
		case h.unnamed > 0:
			h.unnamed--
		case name == "" && len(h.named) > 0: // one of them, and it is not known which
			h.named, h.unnamed, h.kind = nil, len(h.named)-1, ""
		}
		if len(h.named)+h.unnamed == 0 {
			h.known = noMore
		}
	})
}

// prove records that there is at least one, or none.
func (h *holdings) prove(some, live bool, ev Evidence) {
	h.change(ev, live, func() {
		switch {
		case !some:
			h.clear()
			h.known = true
		case len(h.named)+h.unnamed == 0:
			h.unnamed, h.kind = 1, ""
		}
	})
}

// replace records the names of all there are.
func (h *holdings) replace(names []string, ev Evidence) {
	h.change(ev, true, func() {
		h.clear()
		h.known = true
		for _, name := range names {
			h.put(name)
		}
	})
}

// unnamedAre notes whether a virtual device is among all there are. That one is
// the unnamed one only where it can be no other.
func (h *holdings) unnamedAre(virtual bool) {
	if !virtual {
		h.kind = "passkey/security key or hardware TOTP"
		return
	}
	app := cloudtrail.MFADeviceKind(":mfa/")
	known := slices.ContainsFunc(h.names(), func(name string) bool { return cloudtrail.MFADeviceKind(name) == app })
	if h.kind = ""; h.unnamed == 1 && !known {
		h.kind = app
	}
}

// names are the known ones, sorted.
func (h *holdings) names() []string { return slices.Sorted(maps.Keys(h.named)) }

// kinds names the kinds of the devices, and a live confirmation.
func (h *holdings) kinds() string {
	seen := map[string]struct{}{}
	for name := range h.named {
		seen[cloudtrail.MFADeviceKind(name)] = struct{}{}
	}
	if h.unnamed > 0 {
		seen[cmp.Or(h.kind, cloudtrail.MFADeviceKind(""))] = struct{}{}
	}
	text := strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
	if h.live {
		return text + "; confirmed by a live check"
	}
	return text
}
