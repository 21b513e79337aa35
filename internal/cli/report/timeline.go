package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/cli/label"
	"rootguard/internal/detect"
)

// timeline is the drawing of when findings happened: a lane per severity, time
// from left to right. Findings come in bursts with long silences between them,
// so a silence is drawn as a break of fixed width and each burst gets a part of
// its own, with a linear scale inside.
type timeline struct {
	Class         string
	Width, Height int
	Lanes         []lane
	Parts         []part
	Breaks        []pause
	Summary       string // for those who cannot see it
}

type lane struct {
	Severity string
	Y        int
	Marks    []mark
}

// mark is all findings of one lane that fall on the same few pixels.
type mark struct {
	X, Y   float64
	R      float64
	Count  int
	Number string // the count, where it fits
	Title  string
	Row    int // the row of the latest of them
}

// part is a stretch of time between two silences.
type part struct {
	X, Width   int
	Start, End time.Time
	Labels     []tick
}

type tick struct {
	X      int
	Anchor string // text-anchor
	Date   string
	Clock  string
}

// pause is a silence that is not drawn to scale.
type pause struct {
	X    int
	Text string
}

const (
	laneHeight = 34
	laneTop    = 8
	pauseWidth = 44
	columnStep = 12 // px: marks closer than this become one
	labelSpace = 66 // px: left of the lanes, their names
	rightSpace = 14
	tickWidth  = 80 // px: what a tick's date takes
	dayWidth   = 46 // px: the same without its year
	clockWidth = 30 // px: what its time of day takes
)

// newTimeline draws rows, which are sorted the latest first and not empty.
func newTimeline(class string, width, maxParts int, rows []row) timeline {
	t := timeline{Class: class, Width: width}
	times := make([]time.Time, 0, len(rows))
	for _, r := range slices.Backward(rows) {
		times = append(times, r.Finding.EventTime)
	}
	t.Parts = layOut(times, labelSpace, width-rightSpace, maxParts)
	for i := range t.Parts[1:] {
		a, b := t.Parts[i], t.Parts[i+1]
		t.Breaks = append(t.Breaks, pause{X: (a.X + a.Width + b.X) / 2, Text: label.Span(b.Start.Sub(a.End))})
	}
	for i, s := range severities {
		t.Lanes = append(t.Lanes, lane{Severity: s.String(), Y: laneTop + i*laneHeight + laneHeight/2, Marks: marks(t.Parts, s, rows)})
	}
	for i := range t.Lanes {
		for j := range t.Lanes[i].Marks {
			t.Lanes[i].Marks[j].Y = float64(t.Lanes[i].Y)
		}
	}
	t.Height = laneTop + len(severities)*laneHeight + 44
	t.Summary = summary(rows)
	return t
}

// layOut cuts the sorted times at their longest silences into at most maxParts
// and shares the width out among the parts.
func layOut(times []time.Time, left, right, maxParts int) []part {
	first, last := times[0], times[len(times)-1]
	least := max(last.Sub(first)/12, 3*time.Hour) // a shorter silence is drawn to scale
	type gap struct {
		at     int
		length time.Duration
	}
	var gaps []gap
	for i := 1; i < len(times); i++ {
		if d := times[i].Sub(times[i-1]); d >= least {
			gaps = append(gaps, gap{i, d})
		}
	}
	slices.SortFunc(gaps, func(a, b gap) int { return int(b.length/time.Second) - int(a.length/time.Second) })
	gaps = gaps[:min(len(gaps), maxParts-1)]
	slices.SortFunc(gaps, func(a, b gap) int { return a.at - b.at })

	parts := make([]part, 0, len(gaps)+1)
	weights := make([]float64, 0, len(gaps)+1)
	total, from := 0.0, 0
	for _, g := range append(gaps, gap{at: len(times)}) {
		parts = append(parts, part{Start: times[from], End: times[g.at-1]})
		w := 1.0
		if times[g.at-1].After(times[from]) {
			w += math.Log2(1 + float64(g.at-from))
		}
		weights, total = append(weights, w), total+w
		from = g.at
	}
	usable := float64(right - left - pauseWidth*(len(parts)-1))
	x := float64(left)
	for i := range parts {
		w := usable * weights[i] / total
		parts[i].X, parts[i].Width = int(x), int(w)
		parts[i].Labels = ticks(parts[i])
		x += w + pauseWidth
	}
	fitLabels(parts, right+rightSpace)
	return parts
}

// fitLabels keeps labels from the edge and from each other: a year is named once,
// and what would still run into the label before it is left out.
func fitLabels(parts []part, edge int) {
	year, taken := "", 0
	for i := range parts {
		kept := parts[i].Labels[:0]
		for _, l := range parts[i].Labels {
			width, of := clockWidth, year
			if l.Date != "" {
				width = tickWidth
				if of = l.Date[len(l.Date)-len("2006"):]; of == year {
					l.Date, width = strings.TrimSuffix(l.Date, " "+year), dayWidth
				}
			}
			from := l.X
			switch l.Anchor {
			case "middle":
				from -= width / 2
			case "end":
				from -= width
			}
			if over := from + width - edge; over > 0 {
				from, l.X = from-over, l.X-over
			}
			if from < taken {
				continue
			}
			year, taken = of, from+width+4
			kept = append(kept, l)
		}
		parts[i].Labels = kept
	}
}

// ticks name the times at a part's start and, where there is room, at its end.
func ticks(p part) []tick {
	tickAt := func(x int, anchor string, at time.Time) tick {
		at = at.UTC()
		return tick{X: x, Anchor: anchor, Date: at.Format("2 Jan 2006"), Clock: at.Format("15:04")}
	}
	if !p.End.After(p.Start) {
		return []tick{tickAt(p.X+p.Width/2, "middle", p.Start)}
	}
	out := []tick{tickAt(p.X, "start", p.Start)}
	end := tickAt(p.X+p.Width, "end", p.End)
	switch {
	case end.Date == out[0].Date && p.Width >= tickWidth+clockWidth:
		end.Date = ""
		out = append(out, end)
	case p.Width >= 2*tickWidth:
		out = append(out, end)
	}
	return out
}

// place is the x of a time.
func place(parts []part, at time.Time) float64 {
	for _, p := range parts {
		if at.After(p.End) {
			continue
		}
		if !p.End.After(p.Start) {
			return float64(p.X) + float64(p.Width)/2
		}
		const inset = 8.0
		share := float64(at.Sub(p.Start)) / float64(p.End.Sub(p.Start))
		return float64(p.X) + inset + share*(float64(p.Width)-2*inset)
	}
	return 0
}

// marks gathers the findings of a severity by columns.
func marks(parts []part, s detect.Severity, rows []row) []mark {
	type column struct {
		sum         float64
		rows        []int
		first, last time.Time
		ids         map[detect.ID]int
		order       []detect.ID
	}
	columns := map[int]*column{}
	var keys []int
	for _, r := range slices.Backward(rows) {
		if r.Finding.Severity != s {
			continue
		}
		x := place(parts, r.Finding.EventTime)
		k := int(x / columnStep)
		c := columns[k]
		if c == nil {
			c = &column{first: r.Finding.EventTime, ids: map[detect.ID]int{}}
			columns[k] = c
			keys = append(keys, k)
		}
		if c.ids[r.Finding.ID] == 0 {
			c.order = append(c.order, r.Finding.ID)
		}
		c.ids[r.Finding.ID]++
		c.sum += x
		c.last = r.Finding.EventTime
		c.rows = append(c.rows, r.Index)
	}
	out := make([]mark, 0, len(keys))
	for _, k := range keys {
		c := columns[k]
		n := len(c.rows)
		m := mark{X: math.Round(c.sum/float64(n)*10) / 10, R: math.Round(min(4.5+1.6*math.Log2(float64(n)), 13)*10) / 10,
			Count: n, Row: c.rows[n-1]}
		if m.R >= 7.5 {
			m.Number = shortCount(n)
		}
		var what []string
		for _, id := range c.order {
			what = append(what, fmt.Sprintf("%d × %s", c.ids[id], id))
		}
		when := label.Time(c.first)
		if !c.last.Equal(c.first) {
			when += " to " + label.Time(c.last)
		}
		m.Title = when + ": " + strings.Join(what, ", ")
		out = append(out, m)
	}
	return out
}

// shortCount is a count in at most three characters.
func shortCount(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return strconv.Itoa(n/1000) + "k"
}

func summary(rows []row) string {
	counts := map[detect.Severity]int{}
	for _, r := range rows {
		counts[r.Finding.Severity]++
	}
	var by []string
	for _, s := range severities {
		if counts[s] > 0 {
			by = append(by, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return fmt.Sprintf("%d alerts from %s to %s: %s. The table of findings lists them.", len(rows),
		label.Time(rows[len(rows)-1].Finding.EventTime), label.Time(rows[0].Finding.EventTime), strings.Join(by, ", "))
}
