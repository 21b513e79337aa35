// Package suppression holds back alerts of a finding, of one account and principal, for
// a time.
//
// A person who may write a suppression can make rootguard quieter. Suppress therefore
// publishes first that it is added, to the escalation topic too, and stores last the
// event that makes it count: a crash between leaves an alert about nothing, never a
// suppression without an alert. Remove stores first and publishes then, since it only
// makes alerts louder; if it dies between, Expire publishes. Events are never changed,
// and are kept for suppression.KeptFor after the suppression's end. They do not protect
// against write access to the table: with that, alerts can be marked as sent, too.
//
// What is suppressed stays on record: its facts, its claim with the suppression's ID,
// its line in the log. The number of uses is the number of those claims, so a copy of
// an event counts once, and two at once count twice, without a counter that either
// could miss.
//
// Never held back are: what is critical when it is judged, whatever its finding's
// severity is in the catalogue; what rootguard reports about itself, its operators and
// what it does to users; the note that something is over; root use that is announced,
// which has its own record; a record that matches another finding too, unless that is
// suppressed as well; and every alert while suppressions cannot be read. An event is
// judged by its own time, and what rootguard finds by itself by the time of that.
package suppression
