package guard

import (
	"context"
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// Held is a number of events that wait to be reported in one roll-up, or are
// being reported. It is stored in rows of version 1 alone.
type Held struct {
	Count   int            `json:"count"`
	Actions []alert.Action `json:"actions,omitempty"`
	Omitted int            `json:"omitted,omitempty"` // events whose action is not listed for size
	First   time.Time      `json:"first,omitzero"`    // event times
	Last    time.Time      `json:"last,omitzero"`

	Since    time.Time       `json:"since,omitzero"` // when the first of them was counted, by the clock
	Soon     time.Time       `json:"soon,omitzero"`
	Severity detect.Severity `json:"severity,omitempty"`
	Late     bool            `json:"late,omitempty"` // no event near them had been alerted
}

// cutOld freezes what a row of version 1 holds, as that version does, so that a
// function of that version which still runs changes nothing of it.
func (g *Guard) cutOld(ctx context.Context, gr Group) (Held, error) {
	var held Held
	err := g.deps.Claims.UpdateGroup(ctx, gr.Key, func(cur Group) Group {
		held = Held{}
		switch {
		case !cur.Opened.Equal(gr.Opened), cur.RollUps != gr.RollUps, !cur.old():
			return Group{}
		case cur.Sending != nil:
			held = *cur.Sending
			return Group{}
		}
		held = cur.Pending
		held.Severity, held.Late = cur.Finding.Severity, cur.Alerted == 0
		cur.Sending, cur.Pending = &held, Held{}
		return cur
	})
	if err != nil {
		return held, fmt.Errorf("reading group %s of the version before: %w", gr.Key, err)
	}
	return held, nil
}
