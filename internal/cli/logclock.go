package cli

import "time"

// disorder is how much older than a record before it a record may be in a log
// whose order is that of time. CloudTrail delivers most records within minutes.
const disorder = time.Hour

// logClock follows the time that a log has come to, so that the roll-up of a
// window is reported near its place in the log and not at its end. In a log that is
// in order the alerts are the same as without it.
type logClock struct {
	window          time.Duration // that of the guard, see guard.Settings
	newest, flushed time.Time
	unordered       bool // then every roll-up is left to the end
}

// move takes in a record's time. Where due, the windows that were over by the
// time given back are to be flushed: so long ago that no record still falls into
// them. It is due at most once in a window's length.
func (c *logClock) move(to time.Time) (over time.Time, due bool) {
	if to.IsZero() {
		return over, false
	}
	if to.After(c.newest) {
		c.newest = to
	}
	over = c.newest.Add(-disorder)
	c.unordered = c.unordered || to.Before(over)
	if c.unordered || over.Sub(c.flushed) < c.window {
		return over, false
	}
	c.flushed = over
	return over, true
}
