// Package announcement lowers the alerts of root use that was announced, and
// reports what root did.
//
// A caller who may write an announcement can make rootguard quieter. Announce therefore
// publishes first that it is opened, to the escalation topic too, and stores last
// the event that makes it count: a crash between leaves an alert about nothing,
// never an announcement without an alert. Close stores first and publishes then,
// since it only makes alerts louder; if it dies between, Summarize publishes.
// Events are never changed or deleted. They do not protect against write access to
// the table: with that, alerts can be marked as sent, too. A lowered alert is still
// sent, with the name of who announced the use.
//
// An event is judged by its own time and by the announcements known when it is
// handled, so late delivery changes nothing. One that comes before its announcement
// is stored is not lowered, and where announcements cannot be read nothing is.
package announcement
